"""`Memory`: where a reader's arrays lie, used again once nobody holds on to what was in it.

Given back, it would come anew page by page, each zeroed by the system first, which costs more than to fill it: a short
video would take twice as long to read. So the next reader of the process takes over what one leaves.
"""

import mmap
import weakref
from collections import deque
from contextlib import suppress
from math import prod

import numpy as np

LEAST = 1 << 16  # bytes; smaller arrays are left to numpy
LARGE = 2 << 20  # bytes of the system's large pages
SPARES = 2  # blocks that are kept: a `for` loop holds on to one while the next is filled
MOST_LEFT = 64 << 20  # bytes that are kept for readers to come

Block = tuple[mmap.mmap, weakref.ref[np.ndarray]]  # and the array that lies in it, or did
_left: deque[Block] = deque()  # each is taken out by whoever looks at it, so threads need no lock


class Memory:
    """Memory for arrays of much the same size, taken one after the other."""

    def __init__(self) -> None:
        self._blocks: list[Block] = []

    def take(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """An array with anything in it, in memory that no living array lies in; MemoryError if there is none."""
        size = prod(shape) * dtype.itemsize
        if size < LEAST:
            return np.empty(shape, dtype)
        idle = [block for block in self._blocks if _is_idle(block, size)]
        block = idle[0][0] if idle else _take_left(size) or _map(size)
        # All views of it refer to this array, for what it lies in is no array, so it lives as long as they do.
        array = np.frombuffer(block, dtype, prod(shape))
        kept = [(other, used) for other, used in self._blocks if other is not block]
        self._blocks = [*kept, (block, weakref.ref(array))][-SPARES:]
        return array.reshape(shape)

    def leave(self) -> None:
        """Leave the memory to readers to come, for when nobody holds on to what is in it; the oldest has to go."""
        _left.extend(self._blocks)
        self._blocks = []
        with suppress(IndexError):  # another thread may be at it as well
            while sum(len(block) for block, _ in list(_left)) > MOST_LEFT:
                _left.popleft()


def _is_idle(block: Block, size: int) -> bool:
    """Whether it is free for an array of so many bytes, and not much larger."""
    return block[1]() is None and size <= len(block[0]) <= 2 * size


def _take_left(size: int) -> mmap.mmap | None:
    with suppress(IndexError):
        for _ in range(len(_left)):
            block = _left.popleft()
            if _is_idle(block, size):
                return block[0]
            _left.append(block)
    return None


def _map(size: int) -> mmap.mmap:
    page = LARGE if size >= LARGE else mmap.PAGESIZE
    private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    try:
        block = mmap.mmap(-1, -(-size // page) * page, **private)
    except OSError as error:
        raise MemoryError(str(error)) from error
    if page == LARGE and hasattr(mmap, "MADV_HUGEPAGE"):  # smaller ones would be looked up anew in every GOP
        block.madvise(mmap.MADV_HUGEPAGE)
    return block
