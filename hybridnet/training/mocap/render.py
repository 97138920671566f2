"""Draw a clip: pybullet's humanoid in the poses of a motion, cut out and put in front of a panning background."""

import math
from pathlib import Path

import numpy as np
import pybullet
import pybullet_data
from PIL import Image

from hybridnet.training.mocap.encode import FPS, GOP_SIZE
from hybridnet.training.mocap.motion import HINGES, POSITION, QUATERNIONS, Motion, mirror, pose_at, read_motion
from hybridnet.training.mocap.recipe import Recipe
from hybridnet.training.mocap.scenes import background, view

SIZE = 128  # pixels, both ways
FRAMES = 3 * GOP_SIZE

_OVERSAMPLING = 2  # the renderer draws hard edges, so the figure is drawn larger and reduced
_TARGET_HEIGHT = 0.85  # metres above the ground that the camera looks at
_REACH = 0.5  # metres at most that the figure's root strays from the camera's target, over the ground
_HOLD = 0.2  # seconds at most that a motion that does not loop rests at its ends
_COLOURED = (  # skin, top, trousers, shoes, as Recipe.colours
    ("neck", "right_elbow", "left_elbow", "right_wrist", "left_wrist"),
    ("chest", "right_shoulder", "left_shoulder"),
    ("root", "right_hip", "left_hip", "right_knee", "left_knee"),
    ("right_ankle", "left_ankle"),
)


def motion_path(label: str) -> Path:
    """Where pybullet_data keeps the motion of a class."""
    return Path(pybullet_data.getDataPath(), "data", "motions", f"humanoid3d_{label}.txt")


class Renderer:
    """One humanoid in one pybullet server, drawn by its software renderer. Keep one per process."""

    def __init__(self) -> None:
        self._server = pybullet.connect(pybullet.DIRECT)
        self._figure = pybullet.loadURDF(
            str(Path(pybullet_data.getDataPath(), "humanoid", "humanoid.urdf")),
            globalScaling=0.25,
            useFixedBase=True,
            flags=pybullet.URDF_MAINTAIN_LINK_ORDER,
            physicsClientId=self._server,
        )
        joints = range(pybullet.getNumJoints(self._figure, physicsClientId=self._server))
        infos = [pybullet.getJointInfo(self._figure, joint, physicsClientId=self._server) for joint in joints]
        self._joints = {info[1].decode(): joint for joint, info in zip(joints, infos, strict=True)}
        self._motions: dict[str, Motion] = {}

    def draw(self, recipe: Recipe) -> np.ndarray:
        """The clip of a recipe, uint8 (36,128,128,3) RGB."""
        poses = self._poses(recipe)
        targets = _camera_targets(poses[:, POSITION], recipe.follow)
        image = background(recipe.scene, recipe.seed)
        corners = _corners(image.size, recipe)
        rng = np.random.default_rng([recipe.seed, 2])
        self._dress(recipe)
        frames = np.empty((FRAMES, SIZE, SIZE, 3), np.uint8)
        for frame, pose, target, corner in zip(frames, poses, targets, corners, strict=True):
            self._strike(pose)
            figure = self._photograph(recipe, target)
            picture = view(image, SIZE, recipe.zoom, corner)
            picture.paste(figure, mask=figure)
            noise = rng.standard_normal(frame.shape, np.float32)
            frame[:] = np.clip(np.rint(np.asarray(picture) + noise), 0, 255)
        return frames

    def _poses(self, recipe: Recipe) -> np.ndarray:
        """The figure's poses in the clip, float64 (36,43)."""
        if recipe.label not in self._motions:
            self._motions[recipe.label] = read_motion(motion_path(recipe.label))
        motion = self._motions[recipe.label]
        times = start_time(motion, recipe) + np.arange(FRAMES) / FPS * recipe.speed
        poses = np.stack([pose_at(motion, float(time)) for time in times])
        if recipe.mirrored:
            poses = np.stack([mirror(pose) for pose in poses])
        poses[:, list(HINGES.values())] += recipe.hinges
        return poses

    def _dress(self, recipe: Recipe) -> None:
        for names, colour in zip(_COLOURED, recipe.colours, strict=True):
            for name in names:
                pybullet.changeVisualShape(
                    self._figure, self._joints[name], rgbaColor=(*colour, 1.0), physicsClientId=self._server
                )

    def _strike(self, pose: np.ndarray) -> None:
        """Put the figure into a pose (43,). pybullet's quaternions end with w."""
        rotations = {name: pose[[at + 1, at + 2, at + 3, at]].tolist() for name, at in QUATERNIONS.items()}
        pybullet.resetBasePositionAndOrientation(
            self._figure, pose[POSITION].tolist(), rotations.pop("root"), physicsClientId=self._server
        )
        values = rotations | {name: [float(pose[index])] for name, index in HINGES.items()}
        pybullet.resetJointStatesMultiDof(
            self._figure, [self._joints[name] for name in values], list(values.values()), physicsClientId=self._server
        )

    def _photograph(self, recipe: Recipe, target: np.ndarray) -> Image.Image:
        """The figure alone, 128x128 RGBA, transparent where it is not."""
        azimuth, elevation = math.radians(recipe.azimuth), math.radians(recipe.elevation)
        ground = math.cos(elevation)
        direction = np.array([ground * math.cos(azimuth), math.sin(elevation), ground * math.sin(azimuth)])
        side = SIZE * _OVERSAMPLING
        _, _, pixels, _, owner = pybullet.getCameraImage(
            side,
            side,
            pybullet.computeViewMatrix((target + recipe.distance * direction).tolist(), target.tolist(), [0, 1, 0]),
            pybullet.computeProjectionMatrixFOV(fov=45, aspect=1, nearVal=0.1, farVal=30),
            lightDirection=recipe.light,
            shadow=0,
            renderer=pybullet.ER_TINY_RENDERER,
            physicsClientId=self._server,
        )
        figure = np.array(pixels, np.uint8).reshape(side, side, 4)
        figure[..., 3] = np.where(np.reshape(owner, (side, side)) == self._figure, 255, 0)
        return Image.fromarray(figure).reduce(_OVERSAMPLING)


def start_time(motion: Motion, recipe: Recipe) -> float:
    """Seconds into the motion at which the clip starts: anywhere in a loop, else where it rests little at the ends."""
    if motion.loops:
        return recipe.phase * motion.duration
    span = (FRAMES - 1) / FPS * recipe.speed
    earliest, latest = sorted((-_HOLD, motion.duration - span + _HOLD))
    return earliest + recipe.phase * (latest - earliest)


def _camera_targets(positions: np.ndarray, follow: float) -> np.ndarray:
    """What the camera looks at, float64 (36,3): it goes along with the root's way, but never loses the figure."""
    centre = (positions.min(axis=0) + positions.max(axis=0)) / 2
    away = positions - centre
    extent = float(np.hypot(away[:, 0], away[:, 2]).max())
    targets = centre + max(follow, 1.0 - _REACH / max(extent, _REACH)) * away
    targets[:, 1] = _TARGET_HEIGHT
    return targets


def _corners(size: tuple[int, int], recipe: Recipe) -> list[tuple[float, float]]:
    """Corner of the background's cut in each frame, pixels; it pans at an even pace and stops at the image's border."""
    room = np.array(size) - SIZE * recipe.zoom - 1.0
    steps = np.arange(FRAMES)[:, None] * np.array(recipe.pan) * recipe.zoom
    corners = np.clip(room * np.array(recipe.corner) + steps, 0.0, room)
    return [(float(x), float(y)) for x, y in corners]
