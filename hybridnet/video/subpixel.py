"""Equations 1 and 2 with fractions of a pixel: what `accumulate` truncates at every frame, kept.

    T(i, t) = -motion / motion_scale                              the block's vector as the codec has it, pixels
    D(i, t) = T(i, t) + D(i - round(T(i, t)), t - 1)              round to the nearest whole pixel, halves up in i - T
    R(i, t) = frame(i, t) - iframe(round(i - D(i, t)))            held at the picture's edge

D is looked up at the nearest pixel, never interpolated: across the edge of a moving thing, a mean of two motions is
neither. Vectors are multiples of 1/2, 1/4 or 1/8 pixel, so float32 holds every sum exactly.
"""

import numpy as np

from hybridnet.video.accumulate import NO_RESIDUAL
from hybridnet.video.blocks import follow_blocks, subtract_nearest
from hybridnet.video.colour import NO_PLANES, NO_ROWS, Planes
from hybridnet.video.decoder import Vectors

NO_MOTION, KEEP = np.empty((0, 0, 2), np.float32), np.zeros(2, np.int64)


class SubpixelTracer:
    """D in fractions of a pixel, and the I-frame; the same use as `accumulate.Tracer`, but for planes."""

    motion_dtype = np.dtype(np.float32)
    takes_planes = False

    def __init__(self, height: int, width: int) -> None:
        self.shape = (height, width)
        self._motion = np.zeros((height, width, 2), np.float32)
        self._spare = np.empty_like(self._motion)
        self._picture = NO_ROWS

    def start(self, picture: np.ndarray | None) -> None:
        """Take a frame as the one to trace back to, and hold on to its picture; without one there is no residual."""
        self._motion[...] = 0
        self._picture = NO_ROWS if picture is None else picture

    def follow(
        self,
        vectors: Vectors,
        picture: np.ndarray | Planes | None,
        motion: np.ndarray | None,
        residual: np.ndarray | None,
    ) -> float:
        """Trace the next frame back, and write its D and R where they are wanted.

        vectors    those of a living frame, as `decoder.motion_vectors` has them
        motion     float32 (H,W,2), written
        residual   int16 (H,W,3), written; takes the frame's `picture`, its rows

        Returns the share of the picture, 0..1, that no vector covers.
        """
        kept = NO_MOTION if motion is None else motion
        nothing = (NO_ROWS, NO_ROWS, NO_ROWS, *NO_PLANES, NO_RESIDUAL)
        uncovered = follow_blocks(*vectors, True, KEEP, self._motion, self._spare, kept, *nothing)
        self._motion, self._spare = self._spare, self._motion
        if isinstance(picture, np.ndarray) and residual is not None:
            subtract_nearest(picture, self._picture, self._motion, residual)
        return uncovered
