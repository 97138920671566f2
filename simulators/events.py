"""Synaptic events counted from the activity alone, for a simulator that does not count them itself."""

from collections.abc import Callable

import numpy as np

from hybridnet.spiking import Layer, Shape
from simulators.delays import DelayLine, delays_inputs


def event_counter(layer: Layer, source: Shape, shape: Shape) -> Callable[[np.ndarray], int]:
    """A function of one frame after the other: the synaptic events of those that arrive by then."""
    fan_out = _fan_out(layer, source, shape)
    if layer.delay is None:
        return lambda frame: int(np.sum(np.count_nonzero(frame, axis=0 if fan_out.ndim else None) * fan_out))
    line = DelayLine(layer.delay, np.int64)
    if delays_inputs(layer):
        return lambda frame: int(line.pass_on(frame.ravel() != 0).sum() * fan_out)
    return lambda frame: int(line.pass_on(np.full(len(layer.weight), np.count_nonzero(frame))).sum())


def _fan_out(layer: Layer, source: Shape, shape: Shape) -> np.ndarray:
    """Synapses that one input element reaches: (H,W) of a conv, for any channel, or () of a dense; none of an input."""
    if layer.kind == "input":
        return np.array(0)
    if layer.kind == "dense":
        return np.array(len(layer.weight))
    reached = [taps_reached(layer, axis, source[1 + axis], shape[1 + axis]).sum(axis=1) for axis in (0, 1)]
    return np.outer(*reached) * (len(layer.weight) // layer.groups)


def taps_reached(layer: Layer, axis: int, size: int, outputs: int) -> np.ndarray:
    """Which taps of a conv's kernel take the input at each position of an axis to an output: bool (size, taps)."""
    position = np.arange(size)[:, None] + layer.padding[axis]
    offset = position - np.arange(layer.weight.shape[2 + axis]) * layer.dilation[axis]
    output = offset // layer.stride[axis]
    return (offset % layer.stride[axis] == 0) & (output >= 0) & (output < outputs)
