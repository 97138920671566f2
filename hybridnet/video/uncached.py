"""Results written past the processor's caches: what the next frame needs stays in them, and nothing is read first.

A cached store first reads the line that it writes to. Only whole lines are written past the caches, for the processor
gathers a line before it sends it, and would send a part of one by itself.
"""

import numpy as np
from llvmlite import ir
from numba import types

from hybridnet.compiled import inner, intrinsic, vector_pointer

LINE = 64  # bytes of a cache's line


@intrinsic
def _address(typing, array):
    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.ptrtoint(data, ir.IntType(64))

    return types.uint64(array), generate


@intrinsic
def _copy_line(typing, source, start, target, to):
    """Elements from place `start` of an array to one line of another, wider or not, which begins at place `to`."""

    def generate(context, builder, signature, arguments):
        source, target = (
            context.make_array(kind)(context, builder, array).data
            for kind, array in zip(signature.args[::2], arguments[::2], strict=True)
        )
        narrow, wide = (kind.dtype.bitwidth // 8 for kind in signature.args[::2])
        lanes = LINE // wide
        line = builder.load(vector_pointer(builder, source, arguments[1], lanes), align=narrow)
        if narrow < wide:
            line = builder.sext(line, ir.VectorType(ir.IntType(8 * wide), lanes))
        store = builder.store(line, vector_pointer(builder, target, arguments[3], lanes), align=LINE)
        store.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)]))
        return context.get_dummy_value()

    return types.void(source, start, target, to), generate


@intrinsic
def fence(typing):
    """Before arrays are handed on: other threads then see all of what was written, which these stores leave open."""

    def generate(context, builder, signature, arguments):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


@inner
def copy_lines(source, start, target, to, size):
    """Copy `size` elements, but for those of the last line if it is not full; returns how many have been copied.

    target[to : to + n] = source[start : start + n]; arrays are flat. What is left goes with the elements that follow:
    a line that is written in two parts would have to be read between them.
    """
    line = np.uintp(LINE // target.itemsize)
    start, to, size = np.uintp(start), np.uintp(to), np.uintp(size)
    behind = (np.uintp(_address(target)) // np.uintp(target.itemsize) + to) % line
    done = min((line - behind) % line, size)
    for i in range(done):
        target[to + i] = source[start + i]
    while done + line <= size:
        _copy_line(source, start + done, target, to + done)
        done += line
    return done


@inner
def copy_rest(source, start, target, to):
    """target[to:] = source[start:] as far as target goes: what `copy_lines` left of the last line."""
    start, to = np.uintp(start), np.uintp(to)
    for i in range(np.uintp(target.size) - to):
        target[to + i] = source[start + i]
