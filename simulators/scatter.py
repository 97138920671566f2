"""The event path: the weights that each spike reaches, added to a band of accumulators (numba, nogil).

Activity is in HWC order, so the output channels that one input reaches lie side by side, and with stride and dilation 1
those of a whole kernel row do. Spikes of one position reach the same accumulators: two are added at once where
what they reach is a vector a kernel column, in three columns.
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types, uint32, uint64
from numba.core import cgutils

from hybridnet.compiled import inner, intrinsic
from simulators.bits import find
from simulators.vectors import LANES, splat, vector_at

KERNEL = 3 * LANES  # elements of a run that is added without a loop: 3 columns of LANES channels


class Synapses(NamedTuple):
    """Weights and what they reach; a named tuple, which numba takes whole.

    weight         int32, flat: of every input channel what it reaches, the kernel's rows and columns reversed, then
                   a channel of zeros, and LANES more
    source         (channels, channels of one group, elements of `weight` from one channel to the next)
    outputs        (elements of an output row, channels of one group)
    rows           int64 (H, 3): of every input row the offset of the first kernel row it feeds, the output row that
                   this reaches, and how many it feeds; the next ones lie `row_steps` on
    row_steps      (offset, output row)
    columns        int64 (W, 4): of every input column the offset of the first run of weights, the offset in an output
                   row that it reaches, the number of runs and their length; the next ones lie `column_steps` on
    column_steps   (offset, offset in an output row)
    """

    weight: np.ndarray
    source: tuple[int, int, int]
    outputs: tuple[int, int]
    rows: np.ndarray
    row_steps: tuple[int, int]
    columns: np.ndarray
    column_steps: tuple[int, int]


def _add_vectors(context: Any, builder: Any, kinds: Any, target: Any, source: Any, starts: list[Any], to: Any) -> Any:
    """The vector of `target` at `to`, its pointer, and the sum of those of `source` at `starts`, as wide."""
    reached = vector_at(context, builder, kinds[0], target, to)
    held = builder.load(reached, align=4)
    total = held.type(None)
    for start in starts:
        added = builder.load(vector_at(context, builder, kinds[1], source, start), align=4)
        total = builder.add(total, added if added.type == total.type else builder.sext(added, total.type))
    return held, reached, total


def _kernel_adder(count: int, scaled: bool) -> Any:
    @intrinsic
    def add(typing: Any, target: Any, source: Any, into: Any, begins: Any, left: Any, steps: Any, factor: Any) -> Any:
        """For each of `left` rows: target[into:into + n] += factor * the sum of source[begin:begin + n] over `begins`.

        n is KERNEL, there are `count` begins, and what is not `scaled` is added as it is. Both go on by `steps`.
        """

        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            target, source, into, begins, left, steps, factor = arguments
            whole = ir.IntType(64)
            firsts = cgutils.unpack_tuple(builder, begins, count)
            source_step, target_step = cgutils.unpack_tuple(builder, steps, 2)
            with cgutils.for_range(builder, left) as loop:
                on = builder.mul(loop.index, source_step)
                to = builder.add(into, builder.mul(loop.index, target_step))
                for ahead in range(0, KERNEL, LANES):
                    starts = [builder.add(builder.add(first, on), whole(ahead)) for first in firsts]
                    there = builder.add(to, whole(ahead))
                    held, reached, total = _add_vectors(context, builder, signature.args, target, source, starts, there)
                    if scaled:
                        total = builder.mul(total, splat(builder, factor))
                    builder.store(builder.add(held, total), reached, align=4)
            return context.get_dummy_value()

        whole, pair = types.uint64, types.UniTuple(types.uint64, 2)
        places = types.UniTuple(whole, count)
        return types.void(target, source, whole, places, whole, pair, target.dtype), build

    return add


_add_scaled, _add_two = _kernel_adder(1, True), _kernel_adder(2, False)


@intrinsic
def _add_lanes(typing: Any, target: Any, source: Any, into: Any, begin: Any, factor: Any, length: Any) -> Any:
    """target[into:into + n] += factor * source[begin:begin + n], n the lesser of LANES and length."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, source, into, begin, factor, length = arguments
        held, reached, total = _add_vectors(context, builder, signature.args, target, source, [begin], into)
        numbers = ir.Constant(ir.VectorType(ir.IntType(32), LANES), list(range(LANES)))
        inside = builder.icmp_unsigned("<", numbers, splat(builder, builder.trunc(length, ir.IntType(32))))
        added = builder.select(inside, builder.mul(total, splat(builder, factor)), total.type(None))
        builder.store(builder.add(held, added), reached, align=4)
        return context.get_dummy_value()

    whole = types.uint64
    return types.void(target, source, whole, whole, target.dtype, whole), build


@inner
def scatter_spikes(
    bits: np.ndarray,
    values: np.ndarray,
    synapses: Synapses,
    feeds: np.ndarray,
    accumulator: np.ndarray,
    places: np.ndarray,
) -> int:
    """Add what every spike delivers to a band of output rows; returns the number of synaptic events in it.

    bits           uint64 (H, words): the inputs that spiked, see `simulators.bits`
    values         int32 (H * W * C,): what each input carries; empty if every spike carries 1
    feeds          int64 (n, 4): every input row that feeds the band, see `feeds`
    accumulator    int32 or int64: the band's rows, flat (rows,W,Cout), and LANES more; changed in place
    places         uint32: scratch for the spikes of one input row, and one more
    """
    events, one, lanes = uint64(0), uint64(1), uint64(LANES)
    weight, columns = synapses.weight, synapses.columns
    channels, fan_in, span = synapses.source
    groups, width, step = channels // fan_in, columns.shape[0], uint64(span)
    row_steps = uint64(synapses.row_steps[0]), uint64(synapses.row_steps[1] * synapses.outputs[0])
    column_steps = uint64(synapses.column_steps[0]), uint64(synapses.column_steps[1])
    graded, value = values.size > 0, accumulator.dtype.type(1)
    nothing = uint64(weight.size - LANES) - step
    for f in range(feeds.shape[0]):
        first = uint64(feeds[f, 0] * width * channels)
        offset, target, left = uint64(feeds[f, 1]), uint64(feeds[f, 2]), uint64(feeds[f, 3])
        count = uint64(find(bits[feeds[f, 0]], places))
        places[count] = uint32(0xFFFFFFFF)
        synaptic, e = uint64(0), uint64(0)
        while e < count:
            local = places[e]
            site = uint32(local // uint32(fan_in))  # of 32 bits, which processors divide faster
            x, into = uint64(site), target
            if groups > 1:
                x = uint64(site // uint32(groups))
                into += (uint64(site) - x * uint64(groups)) * uint64(synapses.outputs[1])
            into += uint64(columns[x, 1])
            runs, length = uint64(columns[x, 2]), uint64(columns[x, 3])
            a = uint64(columns[x, 0]) + offset + (uint64(local) - x * uint64(channels)) * step
            if graded:
                value = accumulator.dtype.type(values[first + uint64(local)])
            if runs == one and length == uint64(KERNEL):
                if graded:
                    _add_scaled(accumulator, weight, into, (a,), left, row_steps, value)
                else:  # nothing is added rather than not: what a branch would do here cannot be predicted
                    second = places[e + one]
                    both = second < uint32((site + uint32(1)) * uint32(fan_in))
                    b = a + uint64(second - local) * step if both else nothing
                    _add_two(accumulator, weight, into, (a, b), left, row_steps, value)
                    synaptic, e = synaptic + uint64(both) * length, e + uint64(both)
            else:
                for _ in range(left):
                    begin, to = a, into
                    for _ in range(runs):
                        for k in range(uint64(0), length, lanes):
                            _add_lanes(accumulator, weight, to + k, begin + k, value, length - k)
                        begin, to = begin + column_steps[0], to + column_steps[1]
                    a, into = a + row_steps[0], into + row_steps[1]
            synaptic += runs * length
            e += one
        events += left * synaptic
    return int(events)


def feeds(synapses: Synapses, band: tuple[int, int]) -> np.ndarray:
    """The input rows that feed a band of output rows, from the first to below the second.

    int64 (n, 4): row, offset of the first of its kernel rows that reach the band, offset in the band that this
    reaches, and how many of them there are.
    """
    offset, row, left = synapses.rows.T
    offset_step, step = synapses.row_steps
    before = np.clip(-((row - band[0]) // step), 0, left)
    left = np.clip(-((row - band[1]) // step), 0, left) - before
    target = (row + before * step - band[0]) * synapses.outputs[0]
    return np.stack([np.arange(len(row)), offset + before * offset_step, target, left], axis=1)[left > 0]
