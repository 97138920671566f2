"""The paper's equations 1 and 2: every pixel of a P-frame traced back to the I-frame, in integers.

    J(i, 0) = i                                           at the I-frame
    J(i, t) = J(i - T(i, t), t - 1)                       T(i, t): the vector of the block that covers pixel i
    D(i, t) = i - J(i, t)                                 accumulated motion
    R(i, t) = frame(i, t) - iframe(J(i, t))               accumulated residual

This is CoViAR's truncating form. Vectors are whole pixels: FFmpeg exports src = dst + motion / motion_scale with C
truncation toward zero, both at the block's centre. A pixel that no block covers (intra), or whose source lies outside
the picture, has T = 0: it keeps the J of the frame before. Where blocks overlap, the later one in the list wins.

H.264 may predict from older pictures than the one before, but FFmpeg exports only the direction of the reference: such
a vector is taken, as CoViAR takes it, to point at the frame before.
"""

import numpy as np
from numba import njit


class Tracer:
    """J of one picture size, carried from frame to frame in buffers that every GOP reuses.

    Frames come as rows of RGB bytes, uint8 (H,N) with N >= 3 * W: the picture, and padding that is not looked at.
    """

    def __init__(self, height: int, width: int) -> None:
        self.shape = (height, width)
        self.identity = np.empty((height, width, 2), np.int16)
        self.identity[..., 0] = np.arange(width)
        self.identity[..., 1] = np.arange(height)[:, None]
        self.trace = self.identity.copy()
        self._next = np.empty_like(self.trace)
        self._iframe = np.zeros((height, width, 4), np.uint8)  # a fourth byte, so that a pixel is one aligned word

    def start(self, rows: np.ndarray) -> np.ndarray:
        """Begin a GOP: J is the identity. Returns the I-frame, uint8 (H,W,3)."""
        height, width = self.shape
        _pad_pixels(rows, self._iframe)
        self.trace[...] = self.identity
        return rows[:, : 3 * width].copy().reshape(height, width, 3)

    def follow(self, rows: np.ndarray, vectors: np.ndarray | None, motion: np.ndarray, residual: np.ndarray) -> float:
        """Trace the next frame back and write its D and R.

        vectors    FFmpeg's AVMotionVector records (fields w, h, src_x, src_y, dst_x, dst_y), None for none
        motion     int16 (H,W,2), written
        residual   int16 (H,W,3), written

        Returns the share of the picture, 0..1, that no vector covers.
        """
        height, width = self.shape
        covered = 0
        if vectors is not None:
            covered = _move_blocks(
                vectors["src_x"],
                vectors["src_y"],
                vectors["dst_x"],
                vectors["dst_y"],
                vectors["w"],
                vectors["h"],
                self.trace.view(np.int32).reshape(self.shape),
                self._next.view(np.int32).reshape(self.shape),
            )
            self.trace, self._next = self._next, self.trace
        np.subtract(self.identity, self.trace, out=motion)
        _subtract_traced(rows, self._iframe, self.trace, residual)
        return max(0.0, 1.0 - covered / (height * width))


@njit(cache=True, nogil=True)
def _move_blocks(src_x, src_y, dst_x, dst_y, block_width, block_height, before, after):
    """Write `after`, J of this frame, from `before`, J of the frame before; returns the pixels that blocks cover.

    J is int32 (H,W) here: its (x,y) pairs only ever move together.
    """
    height, width = before.shape
    after[:] = before
    covered = 0
    for block in range(dst_x.size):
        w, h = np.intp(block_width[block]), np.intp(block_height[block])
        shift_x, shift_y = np.intp(dst_x[block]) - src_x[block], np.intp(dst_y[block]) - src_y[block]
        left, top = np.intp(dst_x[block]) - w // 2, np.intp(dst_y[block]) - h // 2
        right, bottom = min(left + w, width), min(top + h, height)
        left, top = max(left, np.intp(0)), max(top, np.intp(0))
        covered += max(right - left, 0) * max(bottom - top, 0)
        # Only the pixels whose source is in the picture too.
        first, last = max(left, shift_x), min(right, width + shift_x)
        if first < last:
            for y in range(max(top, shift_y), min(bottom, height + shift_y)):
                target = after[y, first:last]
                source = before[y - shift_y, first - shift_x : last - shift_x]
                for x in range(target.size):
                    target[x] = source[x]
    return covered


@njit(cache=True, nogil=True)
def _pad_pixels(rows, iframe):
    """Write the picture's three bytes a pixel into the four of `iframe`, uint8 (H,W,4); numpy is ten times slower."""
    height, width = iframe.shape[:2]
    for y in range(height):
        for x in range(width):
            for channel in range(3):
                iframe[y, x, channel] = rows[y, 3 * x + channel]


@njit(cache=True, nogil=True)
def _subtract_traced(rows, iframe, trace, residual):
    """Write R = frame - iframe[J]; `iframe` is uint8 (H,W,4), the other shapes are those of `Tracer.follow`."""
    height, width = trace.shape[:2]
    for y in range(height):
        frame, source, target = rows[y], trace[y], residual[y]
        for x in range(width):
            pixel = iframe[np.uintp(source[x, 1]), np.uintp(source[x, 0])]
            for channel in range(3):
                target[x, channel] = np.int16(frame[3 * x + channel]) - np.int16(pixel[channel])
