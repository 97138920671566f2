"""Human motion capture in the `humanoid3d` text format of pybullet_data: read it, pose it at any time, mirror it.

A pose is float64 (43,), y up, metres and radians: the root's position, then unit quaternions (w, x, y, z) for the
root and the eight ball joints, and single angles for the four hinges, placed as in `QUATERNIONS` and `HINGES`.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

POSE_SIZE = 43
POSITION = slice(0, 3)
# First index of each quaternion and index of each hinge angle, by the joint's name in humanoid.urdf.
QUATERNIONS = {
    "root": 3,
    "chest": 7,
    "neck": 11,
    "right_hip": 15,
    "right_ankle": 20,
    "right_shoulder": 24,
    "left_hip": 29,
    "left_ankle": 34,
    "left_shoulder": 38,
}
HINGES = {"right_knee": 19, "right_elbow": 28, "left_knee": 33, "left_elbow": 42}

# (9, 4): where every quaternion of a pose stands.
_QUATERNION_INDEX = np.array([range(start, start + 4) for start in QUATERNIONS.values()])
_RIGHT, _LEFT = slice(15, 29), slice(29, 43)


@dataclass(frozen=True, eq=False)
class Motion:
    """A captured motion as key poses.

    times   float64 (N,): seconds from the start, strictly increasing from 0
    poses   float64 (N,43): unit quaternions. If it loops, the last pose is the first one, moved on by one stride
    loops   whether the motion goes on from its last pose; if not, it holds its first and last pose
    """

    times: np.ndarray
    poses: np.ndarray
    loops: bool

    @property
    def duration(self) -> float:
        """Seconds from the first key pose to the last."""
        return float(self.times[-1])


def read_motion(path: Path) -> Motion:
    """Read one `humanoid3d_*.txt`: JSON with `Loop` and `Frames`, a row being the seconds to the next and a pose.

    Quaternions are brought to unit length (the files hold linear blends as short as 0.58), loops are closed.
    Raises ValueError, naming the file, if the rows are not 1 + 43 numbers or a step takes no time.
    """
    content = json.loads(path.read_text())
    rows = np.array(content["Frames"], dtype=np.float64)
    if rows.ndim != 2 or rows.shape[0] < 2 or rows.shape[1] != 1 + POSE_SIZE:
        raise ValueError(f"{path}: Frames has shape {rows.shape}, expected two rows or more of {1 + POSE_SIZE} numbers")
    steps, poses = rows[:-1, 0], rows[:, 1:]
    if not (steps > 0).all():
        raise ValueError(f"{path}: row {int(np.argmin(steps))} lasts {steps.min()} s, expected more than 0")
    poses[:, _QUATERNION_INDEX] /= np.linalg.norm(poses[:, _QUATERNION_INDEX], axis=-1, keepdims=True)
    times = np.concatenate([[0.0], np.cumsum(steps)])
    loops = content["Loop"] == "wrap"
    if loops:
        times, poses = close_loop(times, poses)
    return Motion(times, poses, loops)


def close_loop(times: np.ndarray, poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Append the first pose, moved to where the next cycle starts, so that a loop has no jump.

    The captured cycles end up to 58 degrees short of their first pose. The appended step lasts as many captured steps
    as keep each joint within its own fastest captured step; the root glides on at the cycle's mean velocity.
    """
    quaternions = poses[:, _QUATERNION_INDEX]
    fastest = _angles(quaternions[1:], quaternions[:-1]).max(axis=0)
    gap = _angles(quaternions[-1], quaternions[0])
    moving = fastest > 0
    steps = (gap[moving] / fastest[moving]).max(initial=0.0) - 1e-6  # rounding must not ask for one step more
    bridge = times[-1] / (len(times) - 1) * max(1, math.ceil(steps))
    closing = poses[0].copy()
    advance = (poses[-1, POSITION] - poses[0, POSITION]) * (1 + bridge / times[-1])
    closing[[0, 2]] += advance[[0, 2]]
    return np.append(times, times[-1] + bridge), np.vstack([poses, closing])


def pose_at(motion: Motion, time: float) -> np.ndarray:
    """The pose (43,) at `time` seconds, any real number: slerp between key poses, straight lines for the rest."""
    stride = np.zeros(POSE_SIZE)
    if motion.loops:
        cycle, time = divmod(time, motion.duration)
        stride[POSITION] = cycle * (motion.poses[-1, POSITION] - motion.poses[0, POSITION])
    time = min(max(time, 0.0), motion.duration)
    after = int(np.clip(np.searchsorted(motion.times, time, side="right"), 1, len(motion.times) - 1))
    start, end = motion.times[after - 1], motion.times[after]
    fraction = float((time - start) / (end - start))
    first, second = motion.poses[after - 1], motion.poses[after]
    pose = first + fraction * (second - first)
    pose[_QUATERNION_INDEX] = slerp(first[_QUATERNION_INDEX], second[_QUATERNION_INDEX], fraction)
    return pose + stride


def slerp(first: np.ndarray, second: np.ndarray, fraction: float) -> np.ndarray:
    """Rotate from `first` to `second`, unit quaternions (..., 4), at even speed along the shorter arc."""
    cosine = (first * second).sum(axis=-1, keepdims=True)
    second = np.where(cosine < 0, -second, second)
    angle = np.arccos(np.clip(np.abs(cosine), 0.0, 1.0))
    # Below a microradian the sines cancel, and a straight line is exact to double precision.
    small = angle < 1e-6
    sine = np.where(small, 1.0, np.sin(angle))
    left = np.where(small, 1.0 - fraction, np.sin((1.0 - fraction) * angle) / sine)
    right = np.where(small, fraction, np.sin(fraction * angle) / sine)
    return left * first + right * second


def mirror(pose: np.ndarray) -> np.ndarray:
    """The pose (43,) seen in a mirror in the x-y plane, in which the figure faces along x: left and right swap.

    A reflection z -> -z turns the rotation (w, x, y, z) into (w, -x, -y, z); the hinges turn about z and keep their
    angle.
    """
    mirrored = pose.copy()
    mirrored[_RIGHT], mirrored[_LEFT] = pose[_LEFT], pose[_RIGHT]
    mirrored[2] = -mirrored[2]
    mirrored[_QUATERNION_INDEX[:, 1:3]] *= -1.0
    return mirrored


def _angles(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Angles in radians between unit quaternions (..., 4), which are alike up to sign."""
    return 2.0 * np.arccos(np.clip(np.abs((first * second).sum(axis=-1)), 0.0, 1.0))
