"""A video and its reverse as points: every picture, and every P-frame, of both; after the paper's Figure 1.

The reverse is a video of its own: decoded, turned round, encoded again. So is the video itself, that both went through
the same encoder.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hybridnet.errors import VideoError
from hybridnet.video import Preprocessing, Recipe, probe, read_gops, transcode
from hybridnet.video.pictures import Pictures
from hybridnet.video.probe import open_video
from hybridnet.video.sampling import INPUT_LIMIT

SIDE = 16  # cells that a picture is divided into, along each axis; a point has the mean of each
LIMIT = Preprocessing.motion_limit  # pixels of motion, as the network sees it
TALLEST = Recipe.height  # pixels; a taller video is made smaller


@dataclass(frozen=True, eq=False)
class Space:
    """Points of both videos in one space, before it is flattened to a plane.

    forward, backward   float32 (n,d), in the order in which each video shows them
    """

    forward: np.ndarray
    backward: np.ndarray

    @property
    def together(self) -> np.ndarray:
        """float32 (n+m,d), the forward ones first."""
        return np.concatenate([self.forward, self.backward])

    @property
    def mixing(self) -> float:
        """Share of points whose nearest other point is of the other video: 1/2 or more where they lie on one path."""
        points, border = self.together.astype(np.float64), len(self.forward)
        squares = (points**2).sum(axis=1)
        apart = squares[:, None] + squares - 2 * points @ points.T
        np.fill_diagonal(apart, np.inf)
        return float(((apart.argmin(axis=1) < border) != (np.arange(len(points)) < border)).mean())


def read_spaces(video: Path) -> dict[str, Space]:
    """The spaces "pictures" and "P-frames" of a video.

    A picture is its colours, 0..1; a P-frame its accumulated motion and residual, each scaled to -1..1 as the network's
    input is. Raises VideoError for a video that cannot be read, is too long to hold, or is shorter than a GOP.
    """
    info = probe(video)
    height = max(16, min(info.height, TALLEST))
    recipe = Recipe(width=max(16, round(info.width * height / info.height)), height=height)
    copies = []
    for backwards in (False, True):
        copies.append(io.BytesIO())
        found = transcode(video, copies[-1], recipe, backwards=backwards)
    if found.frames < recipe.gop:
        raise VideoError(f"{video}: has {found.frames} frames, too few to see a path; give {recipe.gop} or more")
    return {
        "pictures": Space(*(np.stack(list(_pictures(copy))) for copy in copies)),
        "P-frames": Space(*(np.stack(list(_p_frames(copy))) for copy in copies)),
    }


def _pictures(video: io.BytesIO) -> Iterator[np.ndarray]:
    video.seek(0)
    container, stream = open_video(video)
    with container:
        for frame in Pictures(video, container, stream):
            yield cells(frame.to_ndarray(format="rgb24")) / 255


def _p_frames(video: io.BytesIO) -> Iterator[np.ndarray]:
    video.seek(0)
    for gop in read_gops(video):
        for motion, residual in zip(gop.motion, gop.residual, strict=True):
            parts = motion.clip(-LIMIT, LIMIT) / LIMIT, residual.clip(-INPUT_LIMIT, INPUT_LIMIT) / INPUT_LIMIT
            yield np.concatenate([cells(part) for part in parts])


def cells(picture: np.ndarray) -> np.ndarray:
    """The mean of every cell of a picture (H,W,C), float32 (cells*C,): SIDE cells along each axis, if it is so long."""
    total: np.ndarray = picture.astype(np.float64)
    area = np.ones(())
    for axis in (0, 1):
        length = picture.shape[axis]
        starts = np.arange(min(SIDE, length)) * length // min(SIDE, length)
        total = np.add.reduceat(total, starts, axis=axis)
        area = np.multiply.outer(area, np.diff([*starts, length]))
    return (total / area[:, :, None]).astype(np.float32).ravel()
