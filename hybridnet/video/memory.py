"""`Memory`: where a reader's arrays lie, used again once nobody holds on to what was in it.

Given back, it would come anew page by page, each zeroed by the system first, which costs more than to fill it.
"""

import mmap
import weakref
from math import prod

import numpy as np

LEAST = 1 << 16  # bytes; smaller arrays are left to numpy
LARGE = 2 << 20  # bytes of the system's large pages
SPARES = 2  # blocks that are kept: a `for` loop holds on to one while the next is filled


class Memory:
    """Memory for arrays of much the same size, taken one after the other."""

    def __init__(self) -> None:
        self._blocks: list[tuple[mmap.mmap, weakref.ref[np.ndarray]]] = []

    def take(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """An array with anything in it, in memory that no living array lies in; MemoryError if there is none."""
        size = prod(shape) * dtype.itemsize
        if size < LEAST:
            return np.empty(shape, dtype)
        idle = [block for block, array in self._blocks if array() is None and size <= len(block) <= 2 * size]
        block = idle[0] if idle else _map(size)
        # All views of it refer to this array, for what it lies in is no array, so it lives as long as they do.
        array = np.frombuffer(block, dtype, prod(shape))
        kept = [(other, used) for other, used in self._blocks if other is not block]
        self._blocks = [*kept, (block, weakref.ref(array))][-SPARES:]
        return array.reshape(shape)


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
