"""The paper's equations 1 and 2: every pixel of a P-frame traced back to the I-frame, in whole pixels.

    J(i, 0) = i                                           at the I-frame
    J(i, t) = J(i - T(i, t), t - 1)                       T(i, t): the vector of the block that covers pixel i
    D(i, t) = i - J(i, t)                                 accumulated motion
    R(i, t) = frame(i, t) - iframe(J(i, t))               accumulated residual

J is never stored. D itself is carried from frame to frame, and so is the I-frame warped by it, W(i, t) =
iframe(J(i, t)), both moved block by block: the same thing, and several times faster than looking every pixel up.

    D(i, t) = D(i - T, t - 1) + T        W(i, t) = W(i - T, t - 1)        R(i, t) = frame(i, t) - W(i, t)

This is CoViAR's truncating form. Vectors are whole pixels: FFmpeg exports src = dst + motion / motion_scale with C
truncation toward zero, both at the block's centre. T is zero where no block with another vector covers the pixel, or
where its source lies outside the picture. Where blocks overlap, the later one in the list wins.

T points at the frame before. FFmpeg does not export what a vector points at, so `references` refuses beforehand what
might point elsewhere; CoViAR takes such a vector for one of the frame before.
"""

import numpy as np

from hybridnet.video.blocks import NO_ROOM, follow_blocks
from hybridnet.video.colour import NO_PLANES, NO_ROWS, Planes
from hybridnet.video.decoder import Vectors
from hybridnet.video.memory import LARGE, Memory

NO_MOTION = np.empty((0, 0, 2), np.int16)
NO_RESIDUAL = np.empty((0, 0, 3), np.int16)


class Tracer:
    """D and W of one picture size, carried from frame to frame.

    Pictures are rows of RGB bytes, uint8 (H,3 * W); those of frames to follow may be padded, (H,N) with N >= 3 * W, or
    the planes of a living frame, as `colour.planes_of` has them.
    """

    motion_dtype = np.dtype(np.int16)
    takes_planes = True

    def __init__(self, height: int, width: int) -> None:
        self.shape = (height, width)
        # All in one block, hence in one large page: what is looked up for every row had better be found soon.
        motions, pictures = 3 * 2 * height * width, 2 * 3 * height * width
        memory = Memory()
        block = memory.take((max(motions + pictures, LARGE),), np.dtype(np.uint8))
        memory.leave()
        self._still, *self._short = block[:motions].view(np.int8).reshape(3, height, width, 2)
        self._still.fill(0)
        self._long: list[np.ndarray] = []  # made once motion has come that int8 cannot hold
        self._motion, self._spares = self._still, self._short
        self._state = np.zeros(2, np.int64)
        self._buffers = list(block[motions : motions + pictures].reshape(2, height, 3 * width))
        self.room = self._buffers[1]  # for the picture to `start` with, which need not lie there
        self._warped, self._next = NO_ROWS, NO_ROWS

    def start(self, picture: np.ndarray | None) -> None:
        """Take a frame as the one to trace back to, and hold on to its picture; without one there is no residual."""
        self._motion, self._spares, self._state[0] = self._still, self._short, 0
        self._warped, self._next = (NO_ROWS, NO_ROWS) if picture is None else (picture, self._buffers[0])

    def follow(
        self,
        vectors: Vectors,
        picture: np.ndarray | Planes | None,
        motion: np.ndarray | None,
        residual: np.ndarray | None,
    ) -> float:
        """Trace the next frame back, and write its D and R where they are wanted.

        vectors    those of a living frame, as `decoder.motion_vectors` has them
        motion     int16 (H,W,2), written
        residual   int16 (H,W,3), written; takes the frame's `picture`

        Returns the share of the picture, 0..1, that no vector covers.
        """
        kept = NO_MOTION if motion is None else motion
        rows, planes = (NO_ROWS, picture) if isinstance(picture, tuple) else (picture, NO_PLANES)
        if rows is None or residual is None:
            rows, planes, residual = NO_ROWS, NO_PLANES, NO_RESIDUAL
        warped, following = self._next, self._spares[self._motion is self._spares[0]]
        rest = (kept, self._warped, warped, rows, *planes, residual)
        self._state[1] = self._motion is not self._still  # from then on what is carried is the tracer's own
        uncovered = follow_blocks(*vectors, False, self._state, self._motion, following, *rest)
        if uncovered == NO_ROOM:
            following = self._lengthen()
            uncovered = follow_blocks(*vectors, False, self._state, self._motion, following, *rest)
        if self._state[1]:  # moved within
            return uncovered
        self._motion = following
        if len(warped):
            self._warped, self._next = warped, self._buffers[warped is self._buffers[0]]
        return uncovered

    def _lengthen(self) -> np.ndarray:
        """Go on with D in int16; returns where the next is to be written."""
        self._long = self._long or [np.empty((*self.shape, 2), np.int16) for _ in range(3)]
        first, *self._spares = self._long
        np.copyto(first, self._motion)
        self._motion = first
        return self._spares[0]
