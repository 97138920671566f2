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
def address(typing, array):
    """Where an array's first element lies."""

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.ptrtoint(data, ir.IntType(64))

    return types.uint64(array), generate


def _send(builder, line, data, place):
    """Store a line past the caches, at `place` of an array."""
    store = builder.store(line, vector_pointer(builder, data, place, line.type.count), align=LINE)
    store.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)]))


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
        _send(builder, line, target, arguments[3])
        return context.get_dummy_value()

    return types.void(source, start, target, to), generate


@intrinsic
def _subtract_line(typing, frame, start, picture, target, to):
    """One line of target, which begins at place `to`: bytes of frame from place `start` on, less those of picture."""

    def generate(context, builder, signature, arguments):
        _, start, _, _, to = arguments
        frame, picture, target = (
            context.make_array(signature.args[k])(context, builder, arguments[k]).data for k in (0, 2, 3)
        )
        lanes = LINE // 2
        wide = ir.VectorType(ir.IntType(16), lanes)
        minuend, subtrahend = (
            builder.zext(builder.load(vector_pointer(builder, data, place, lanes), align=1), wide)
            for data, place in ((frame, start), (picture, to))
        )
        _send(builder, builder.sub(minuend, subtrahend), target, to)
        return context.get_dummy_value()

    return types.void(frame, start, picture, target, to), generate


@intrinsic
def fence(typing):
    """Before arrays are handed on: other threads then see all of what was written, which these stores leave open."""

    def generate(context, builder, signature, arguments):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


@inner
def _before_line(target, to):
    """How many elements of an array are between place `to` and where a line begins, that place included."""
    line = np.uintp(LINE // target.itemsize)
    behind = (np.uintp(address(target)) // np.uintp(target.itemsize) + to) % line
    return (line - behind) % line


@inner
def copy_lines(source, start, target, to, size):
    """Copy `size` elements, but for those of the last line if it is not full; returns how many have been copied.

    target[to : to + n] = source[start : start + n]; arrays are flat. What is left goes with the elements that follow:
    a line that is written in two parts would have to be read between them.
    """
    line = np.uintp(LINE // target.itemsize)
    start, to, size = np.uintp(start), np.uintp(to), np.uintp(size)
    done = min(_before_line(target, to), size)
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


@inner
def subtract_lines(frame, start, picture, target, to, size):
    """target[to : to + n] = frame[start : start + n] - picture[to : to + n]; as `copy_lines`, bytes to int16."""
    line = np.uintp(LINE // 2)
    start, to, size = np.uintp(start), np.uintp(to), np.uintp(size)
    done = min(_before_line(target, to), size)
    _subtract(frame, start, picture, target, to, done)
    while done + line <= size:
        _subtract_line(frame, start + done, picture, target, to + done)
        done += line
    return done


@inner
def subtract_rest(frame, start, picture, target, to):
    """target[to:] = frame[start:] - picture[to:] as far as target goes: what `subtract_lines` left of the last line."""
    _subtract(frame, np.uintp(start), picture, target, np.uintp(to), np.uintp(target.size) - np.uintp(to))


@inner
def _subtract(frame, start, picture, target, to, size):
    for i in range(size):
        target[to + i] = np.int16(frame[start + i]) - np.int16(picture[to + i])
