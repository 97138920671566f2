"""numba's `njit`, except that a cache which cannot be kept is done without: every process then compiles anew.

numba keeps compiled kernels beside their source, or else in the user's cache folder, or in NUMBA_CACHE_DIR. It raises
where it finds no such folder that it may write, and when a disk is full.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numba
from numba.core.caching import FunctionCache
from numba.core.runtime import rtsys


class _Cache(FunctionCache):
    def load_overload(self, signature: Any, context: Any) -> Any:
        # numba would first import all that it can compile, a third of a process's start; what is compiled needs its
        # memory manager alone.
        rtsys.initialize(context)
        with suppress(OSError):
            return self._load_overload(signature, context)

    def save_overload(self, signature: Any, data: Any) -> None:
        with suppress(OSError):
            super().save_overload(signature, data)


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorator: compile on the first call for its types, without Python, and keep the result where that is possible.

    A kernel's cache knows of changes in its own file only, not of those in constants and functions that it imports.
    """

    def compile(function: Callable[..., Any]) -> Any:
        kernel = numba.njit(**options)(function)
        with suppress(RuntimeError):  # no folder that could be written
            kernel._cache = _Cache(function)
        return kernel

    return compile
