"""The event path: the weights that each spike reaches, added to a band of accumulators (numba, nogil).

Activity is flat in HWC order, so the output channels that one input reaches lie side by side, and with stride and
dilation 1 those of a whole kernel row do. They are added LANES at a time, as LLVM's vectors, on any processor.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types, uint32, uint64
from numba.extending import intrinsic

from hybridnet.compiled import njit

LANES = 16  # int32 in one line of cache; accumulators and weights are readable this far past their end


def vector_at(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    """LLVM pointer to LANES elements of a one-dimensional numba array."""
    data = context.make_array(kind)(context, builder, array).data
    lanes = ir.VectorType(context.get_data_type(kind.dtype), LANES)
    return builder.bitcast(builder.gep(data, [index]), lanes.as_pointer())


def splat(builder: Any, value: Any) -> Any:
    """LLVM vector of LANES times one value."""
    empty = ir.Constant(ir.VectorType(value.type, LANES), ir.Undefined)
    first = builder.insert_element(empty, value, ir.IntType(32)(0))
    return builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


@intrinsic
def _add_lanes(typing: Any, target: Any, into: Any, source: Any, begin: Any, value: Any, length: Any) -> Any:
    """target[into:into + n] += value * source[begin:begin + n], n the lesser of LANES and length."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = signature.args
        reached = vector_at(context, builder, kinds[0], *arguments[0:2])
        weights = builder.load(vector_at(context, builder, kinds[2], *arguments[2:4]), align=4)
        factor = splat(builder, arguments[4])
        if weights.type != factor.type:
            weights = builder.sext(weights, factor.type)
        numbers = ir.Constant(ir.VectorType(ir.IntType(32), LANES), list(range(LANES)))
        inside = builder.icmp_unsigned("<", numbers, splat(builder, builder.trunc(arguments[5], ir.IntType(32))))
        added = builder.select(inside, builder.mul(weights, factor), factor.type(None))
        builder.store(builder.add(builder.load(reached, align=4), added), reached, align=4)
        return context.get_dummy_value()

    return types.void(target, types.uint64, source, types.uint64, target.dtype, types.uint64), build


@njit(nogil=True)
def scatter_spikes(
    spikes: np.ndarray,
    values: np.ndarray,
    starts: np.ndarray,
    source: tuple[int, int, int],
    outputs: tuple[int, int],
    weight: np.ndarray,
    rows: np.ndarray,
    row_steps: tuple[int, int],
    columns: np.ndarray,
    column_steps: tuple[int, int],
    band: tuple[int, int],
    accumulator: np.ndarray,
    reached: np.ndarray,
) -> int:
    """Add what every spike delivers to a band of output rows; returns the number of synaptic events in it.

    spikes         int32 (n,): flat HWC indices of the inputs that spiked, ascending
    values         what each spike carries, in the accumulator's dtype; empty if every spike carries 1
    starts         int64 (H + 1,): where the spikes of each input row begin in `spikes`
    source         (width, channels, channels of one group) of the input
    outputs        (size of an output row, channels of one group) in elements
    weight         int32, flat (Cin, kh, kw, Cout/groups), the kernel's rows and columns reversed
    rows           int64 (H, 3): of every input row the offset of the first kernel row it feeds, the output row that
                   this reaches, and how many it feeds; the next ones lie `row_steps` on
    columns        int64 (W, 4): of every input column the offset of the first run of weights, the offset in an output
                   row that it reaches, the number of runs and their length; the next ones lie `column_steps` on
    band           output rows from the first to below the second
    accumulator    int32 or int64: the band's rows, flat (rows,W,Cout), and LANES more; changed in place
    reached        uint64 (k, 4): scratch for the runs of one input row
    """
    events = uint64(0)
    one, lanes = uint64(1), uint64(LANES)
    graded = values.size > 0
    value = accumulator.dtype.type(1)
    width, channels, fan_in = source
    row_size, fan_out = outputs
    span = uint64(weight.size - LANES) // uint64(channels)
    for y in range(len(rows)):
        row_source, row, left = rows[y]
        while left > 0 and row < band[0]:
            row, row_source, left = row + row_steps[1], row_source + row_steps[0], left - 1
        past = row + left * row_steps[1] - row_steps[1]
        while left > 0 and past >= band[1]:
            past, left = past - row_steps[1], left - 1
        if left == 0 or starts[y] == starts[y + 1]:
            continue
        found, synapses = uint64(0), uint64(0)
        for e in range(starts[y], starts[y + 1]):
            local = uint32(spikes[uint64(e)] - y * width * channels)
            x = uint64(uint32(local // uint32(channels)))  # of 32 bits, which processors divide faster
            channel = uint64(local) - x * uint64(channels)
            begin = channel * span + uint64(columns[x, 0])
            into = uint64(columns[x, 1])
            if fan_in < channels:
                into += channel // uint64(fan_in) * uint64(fan_out)
            runs, length = uint64(columns[x, 2]), uint64(columns[x, 3])
            for _ in range(runs):
                reached[found, 0], reached[found, 1] = begin, into
                reached[found, 2], reached[found, 3] = length, uint64(e)
                found += one
                begin, into = begin + uint64(column_steps[0]), into + uint64(column_steps[1])
            synapses += runs * length
        events += uint64(left) * synapses
        offset, target = uint64(row_source), uint64((row - band[0]) * row_size)
        for _ in range(left):
            for run in range(found):
                begin, into = reached[uint64(run), 0] + offset, reached[uint64(run), 1] + target
                length = reached[uint64(run), 2]
                if graded:
                    value = values[reached[uint64(run), 3]]
                while length > lanes:
                    _add_lanes(accumulator, into, weight, begin, value, lanes)  # type: ignore[call-arg]
                    begin, into, length = begin + lanes, into + lanes, length - lanes
                _add_lanes(accumulator, into, weight, begin, value, length)  # type: ignore[call-arg]
            offset, target = offset + uint64(row_steps[0]), target + uint64(row_steps[1] * row_size)
    return int(events)
