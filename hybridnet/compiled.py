"""numba's `njit`, except that a cache which cannot be kept is done without: every process then compiles anew.

numba keeps compiled kernels beside their source, or else in the user's cache folder, or in NUMBA_CACHE_DIR. It raises
where it finds no such folder that it may write, when a disk is full, and where files of the cache are damaged.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import extending, types
from numba.core.caching import FunctionCache
from numba.core.runtime import rtsys

_NO_WRAPPERS = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


@cache
def _digest(folder: Path) -> str:
    """Of the names and texts of a package's files; of nothing if the package is not in a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


class _Cache(FunctionCache):
    def _index_key(self, signature: Any, codegen: Any) -> Any:
        # numba's own key knows nothing of the kernels and constants that a kernel takes from the files beside its own.
        return (*super()._index_key(signature, codegen), _digest(Path(self._py_func.__code__.co_filename).parent))

    def load_overload(self, signature: Any, context: Any) -> Any:
        # numba would first import all that it can compile, a third of a process's start; what is compiled needs its
        # memory manager alone.
        rtsys.initialize(context)
        try:
            return self._load_overload(signature, context)
        except OSError:
            return None
        except Exception:  # whatever a damaged file makes of itself; with an empty index it is written anew
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, signature: Any, data: Any) -> None:
        with suppress(OSError):
            super().save_overload(signature, data)


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorator: compile on the first call for its types, without Python, and keep the result where that is possible.

    A kernel's cache knows of changes in its own folder, not of those in what it takes from elsewhere.
    """

    def compile(function: Callable[..., Any]) -> Any:
        kernel = numba.njit(**options)(function)
        with suppress(RuntimeError):  # no folder that could be written
            kernel._cache = _Cache(function)
        return kernel

    return compile


def inner(function: Callable[..., Any]) -> Any:
    """Decorator: what kernels alone call. It is compiled into each of them, without what Python would call it by."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "forceinline": True, **_NO_WRAPPERS}
    return numba.njit(**options)(function)


def intrinsic(function: Callable[..., Any]) -> Any:
    """Decorator: an instruction for kernels, written in LLVM; they call it without numba's typing context."""
    return extending.intrinsic(function)


def vector_pointer(builder: Any, data: Any, place: Any, lanes: int) -> Any:
    """LLVM pointer to `lanes` elements of an array from `place` on, for an intrinsic; `data` points to its first."""
    return builder.bitcast(builder.gep(data, [place]), ir.VectorType(data.type.pointee, lanes).as_pointer())


@intrinsic
def _pointer(typing, address):
    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.CPointer(types.uint8)(address), generate


@inner
def bytes_at(address, size):
    """The `size` bytes at an address as an array uint8 (size,); whoever calls the kernel keeps them alive meanwhile."""
    return numba.carray(_pointer(address), size, np.uint8)
