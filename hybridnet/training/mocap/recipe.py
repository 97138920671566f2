"""Everything that is drawn by chance for one clip, from a seed that only the clip's own name decides."""

import hashlib
from dataclasses import dataclass

import numpy as np

CLASSES = (
    "backflip",
    "cartwheel",
    "crawl",
    "dance_a",
    "dance_b",
    "getup_facedown",
    "getup_faceup",
    "jump",
    "kick",
    "punch",
    "roll",
    "run",
    "spin",
    "spinkick",
    "walk",
)
# A scene belongs to one split, so no test clip shows a background seen in training. See scenes.py.
SCENES = {
    "train": ("brick", "camera", "chelsea", "coffee", "grass", "clouds", "planks"),
    "test": ("astronaut", "clock", "gravel", "rocket", "tiles", "pebbles"),
}
# Half width in degrees of the four wedges of test cameras, centred on 0, 90, 180 and 270. They map onto themselves
# when left and right swap, so a mirrored test clip is no mirrored training view either.
WEDGE = 15.0


@dataclass(frozen=True)
class Recipe:
    """One clip's draws.

    azimuth     degrees, the camera's direction from the figure about y; 0 looks at the face of a figure that faces x
    elevation   degrees above the horizon
    distance    metres from the camera to its target
    follow      share of the figure's way over the ground that the camera's target goes along
    speed       seconds of motion per second of video
    phase       0..1, where in the motion the clip starts
    mirrored    whether left and right swap
    hinges      radians added to right knee, right elbow, left knee, left elbow
    colours     RGB 0..1 of skin, top, trousers and shoes
    light       (x,y,z) from the figure towards the lamp
    scene       the background's name
    zoom        background pixels per video pixel
    corner      0..1, where in the background the first frame's corner lies, (x,y)
    pan         video pixels per frame that the cut moves over the background, (x,y)
    """

    label: str
    split: str
    index: int
    azimuth: float
    elevation: float
    distance: float
    follow: float
    speed: float
    phase: float
    mirrored: bool
    hinges: tuple[float, ...]
    colours: tuple[tuple[float, ...], ...]
    light: tuple[float, ...]
    scene: str
    zoom: float
    corner: tuple[float, ...]
    pan: tuple[float, ...]

    @property
    def seed(self) -> int:
        """SHA-256 of `class/split/index`, as a 256-bit integer."""
        return clip_seed(self.label, self.split, self.index)


def clip_seed(label: str, split: str, index: int) -> int:
    """SHA-256 of `class/split/index`, as a 256-bit integer."""
    return int.from_bytes(hashlib.sha256(f"{label}/{split}/{index}".encode()).digest(), "big")


def draw_recipe(label: str, split: str, index: int) -> Recipe:
    """The recipe of the clip `label/split/index`; split is "train" or "test". The same on every call."""
    rng = np.random.default_rng(clip_seed(label, split, index))
    offset = rng.uniform(-WEDGE, WEDGE) if split == "test" else rng.uniform(WEDGE, 90.0 - WEDGE)
    return Recipe(
        label=label,
        split=split,
        index=index,
        azimuth=float(90.0 * rng.integers(4) + offset) % 360.0,
        elevation=float(rng.uniform(2.0, 30.0)),
        distance=float(rng.uniform(2.6, 4.2)),
        follow=float(rng.uniform(0.5, 1.0)),
        speed=float(rng.uniform(0.8, 1.25)),
        phase=float(rng.uniform()),
        mirrored=bool(rng.integers(2)),
        hinges=_floats(rng.normal(0.0, 0.05, 4)),
        colours=tuple(_floats(rng.uniform(0.15, 1.0, 3)) for _ in range(4)),
        light=_floats(rng.uniform((-3.0, 2.0, -3.0), (3.0, 5.0, 3.0))),
        scene=SCENES[split][rng.integers(len(SCENES[split]))],
        zoom=float(rng.uniform(0.65, 1.0)),
        corner=_floats(rng.uniform(0.0, 1.0, 2)),
        pan=_floats(rng.normal(0.0, 0.35, 2)),
    )


def _floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(values.tolist())
