"""The dense path: a band of output rows convolved with every input, spike or not, for layers that hardly rest.

It sums the same integers as the event path, in another order, so not a bit differs. TILE positions and LANES output
channels at a time stay in registers while everything that a kernel row reaches is multiplied in.
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types, uint32, uint64
from numba.core import cgutils

from hybridnet.compiled import inner, intrinsic
from simulators.bits import find
from simulators.scatter import Synapses
from simulators.vectors import LANES, splat, vector_at

TILE = 4  # 8 spill where a processor has 16 vector registers, and are no faster where it has 32


def _multiply(tile: int) -> Any:
    """An intrinsic that adds `tile` positions' sums over one run of inputs to their accumulators."""

    @intrinsic
    def multiply(
        typing: Any, sums: Any, into: Any, pitch: Any, frame: Any, at: Any, step: Any, weight: Any, begin: Any,
        length: Any,
    ) -> Any:  # fmt: skip
        """sums[into + p * pitch + i] += sum over k of frame[at + p * step + k] * weight[begin + k * LANES + i]."""

        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            kinds = signature.args
            sums, into, pitch, frame, at, step, weight, begin, length = arguments
            held = []
            for p in range(tile):
                place = builder.add(into, builder.mul(pitch, ir.IntType(64)(p)))
                pointer = vector_at(context, builder, kinds[0], sums, place)
                held.append((pointer, cgutils.alloca_once_value(builder, builder.load(pointer, align=4))))
            inputs = context.make_array(kinds[3])(context, builder, frame).data
            with cgutils.for_range(builder, length) as loop:
                place = builder.add(begin, builder.mul(loop.index, ir.IntType(64)(LANES)))
                weights = builder.load(vector_at(context, builder, kinds[6], weight, place), align=4)
                for p, (_, total) in enumerate(held):
                    place = builder.add(builder.add(at, builder.mul(step, ir.IntType(64)(p))), loop.index)
                    product = builder.mul(splat(builder, builder.load(builder.gep(inputs, [place]))), weights)
                    builder.store(builder.add(builder.load(total), product), total)
            for pointer, total in held:  # in order: the lanes past a position's channels are the next one's, unchanged
                builder.store(builder.load(total), pointer, align=4)
            return context.get_dummy_value()

        whole = types.uint64
        return types.void(sums, whole, whole, frame, whole, whole, weight, whole, whole), build

    return multiply


_multiply_tile, _multiply_one = _multiply(TILE), _multiply(1)


class Convolution(NamedTuple):
    """A conv's geometry and weights; a named tuple, which numba takes whole.

    pitch          (size of a row, size of a position) of the frame, which is padded
    groups         (groups, input channels of each, output channels of each)
    weight         int32, flat (groups, parts, kh, kw, Cin/groups, LANES): the output channels of a group in parts of
                   LANES, the last one filled up with zeros
    taps, dilation, stride   (y, x)
    width          positions of an output row
    corner         offset of the first input in a frame of the whole input
    """

    pitch: tuple[int, int]
    groups: tuple[int, int, int]
    weight: np.ndarray
    taps: tuple[int, int]
    dilation: tuple[int, int]
    stride: tuple[int, int]
    width: int
    corner: int

    def frame_size(self, rows: int) -> int:
        """Elements of the frame of so many output rows."""
        return self.pitch[0] * ((rows - 1) * self.stride[0] + (self.taps[0] - 1) * self.dilation[0] + 1)


@inner
def place_spikes(
    bits: np.ndarray,
    values: np.ndarray,
    synapses: Synapses,
    convolution: Convolution,
    feeds: np.ndarray,
    top: int,
    frame: np.ndarray,
    places: np.ndarray,
) -> int:
    """Make the padded frame of what reaches a band of output rows; returns the synaptic events in it.

    bits, values, synapses, feeds, places   as of `scatter_spikes`
    top      first output row of the band
    frame    int32, flat (H,W,Cin): of the input rows that the band's kernels cover, the padding included; changed in
             place
    """
    frame[:] = 0
    events = 0
    columns, (channels, _, _) = synapses.columns, synapses.source
    row = len(columns) * channels
    corner = convolution.corner - top * convolution.stride[0] * convolution.pitch[0]
    for f in range(feeds.shape[0]):
        y, synaptic = feeds[f, 0], 0
        into = y * convolution.pitch[0] + corner
        for e in range(find(bits[y], places)):
            local = places[e]
            x = local // uint32(channels)
            synaptic += columns[x, 2] * columns[x, 3]
            frame[uint64(into + local)] = values[uint64(y * row + local)] if values.size else 1
        events += feeds[f, 3] * synaptic
    return events


@inner
def convolve(frame: np.ndarray, convolution: Convolution, height: int, accumulator: np.ndarray) -> None:
    """Add a band of output rows of a convolution to the accumulator.

    frame          int32, flat (H,W,Cin): the band's input rows, see `place_spikes`
    height         rows of the band
    accumulator    int32: the band's rows, flat (rows,W,Cout), and LANES more; changed in place
    """
    count, fan_in, fan_out = convolution.groups
    pitch, weight, taps = convolution.pitch, convolution.weight, convolution.taps
    dilation, stride, width = convolution.dilation, convolution.stride, convolution.width
    parts = (fan_out + LANES - 1) // LANES
    outputs = count * fan_out
    runs, length = taps[1], fan_in
    if count == 1 and dilation[1] == 1:  # the columns of a kernel row lie side by side in the frame: one long run
        runs, length = 1, taps[1] * fan_in
    step = pitch[1] * stride[1]
    for row in range(height):
        top = row * stride[0] * pitch[0]
        for part in range(count * parts):
            group = part // parts
            target = row * width * outputs + group * fan_out + part % parts * LANES
            for x in range(0, width, TILE):
                for tap in range(taps[0] * runs):
                    y, column = tap // runs, tap % runs
                    at = top + y * dilation[0] * pitch[0] + column * dilation[1] * pitch[1] + group * fan_in
                    begin = uint64(((part * taps[0] + y) * runs + column) * length * LANES)
                    if x + TILE <= width:
                        _multiply_tile(
                            accumulator, uint64(target + x * outputs), uint64(outputs),
                            frame, uint64(at + x * step), uint64(step), weight, begin, uint64(length),
                        )  # fmt: skip
                    else:
                        for last in range(x, width):
                            _multiply_one(
                                accumulator, uint64(target + last * outputs), uint64(outputs),
                                frame, uint64(at + last * step), uint64(step), weight, begin, uint64(length),
                            )  # fmt: skip
