"""The C library's allocator, told to keep what a training step gives back, for the next one takes it again at once."""

import ctypes
from contextlib import suppress

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of glibc's malloc.h
LARGEST = 2**30


def keep_memory() -> None:
    """Keep freed memory up to 1 GiB, so that pages are not taken from the system and zeroed anew in every step.

    With glibc; elsewhere it does nothing.
    """
    with suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(MMAP_THRESHOLD, LARGEST)
        mallopt(TRIM_THRESHOLD, LARGEST)
