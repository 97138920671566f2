"""A spiking graph laid out for the engine's kernels: weights, tables of what reaches what, and constants."""

from dataclasses import dataclass
from functools import cached_property
from math import gcd

import numpy as np

from hybridnet.errors import GraphError
from hybridnet.spiking import ACCUMULATION_LIMIT, DECAY_UNITY, POTENTIAL_UNITS, Layer, Shape, SpikingGraph
from simulators.activity import effective_fan_out
from simulators.bits import rows_of
from simulators.convolve import Convolution
from simulators.delays import delays_inputs
from simulators.neurons import Neurons
from simulators.scatter import Synapses
from simulators.vectors import LANES

_REACH_LIMIT = 2**57  # a * 64 must fit the 64 bits that count wraps
_NEVER = 2**31 - 1  # a threshold above every potential
_LINE = 64  # bytes of a line of cache


@dataclass(frozen=True, eq=False)
class PreparedLayer:
    """One layer as the engine plays it."""

    layer: Layer
    inputs: tuple[Shape, Shape]  # of its input: as the layer takes it, and before it was flattened
    shape: Shape
    sums: type  # dtype of the accumulator, wide enough for any sum
    graded: bool  # its input carries values, not only spikes
    wraps: bool  # u may wrap or is kept between steps
    synapses: Synapses | None  # none of an input layer, whose input is its neurons' bias
    convolution: Convolution | None  # a conv's, unless its sums take 64 bits
    delay: np.ndarray | None
    delays_inputs: bool  # its delay is one per input, not one per neuron
    neurons: Neurons

    @property
    def name(self) -> str:
        return self.layer.name

    @property
    def source(self) -> Shape:
        """Its input before it was flattened."""
        return self.inputs[1]

    @property
    def size(self) -> int:
        """How many neurons it has."""
        return int(np.prod(self.shape))

    @cached_property
    def effective_fan_out(self) -> np.ndarray:
        """Synapses of a weight other than zero behind every input, int64 (inputs,), in the order of its activity."""
        fan_out = effective_fan_out(self.layer, self.inputs[0], self.shape).ravel()
        return _hwc(fan_out[:, None], self.source).ravel()


def aligned(size: int, dtype: type) -> np.ndarray:
    """Zeros that begin at a line of cache, LANES more than asked for."""
    length = (size + LANES) * np.dtype(dtype).itemsize
    memory = np.zeros(length + _LINE, np.uint8)
    begin = -memory.ctypes.data % _LINE
    return memory[begin : begin + length].view(dtype)


def prepare(graph: SpikingGraph) -> tuple[PreparedLayer, ...]:
    """The graph's neuron layers in engine layout; GraphError if a layer's sums could leave 64 bits."""
    prepared: list[PreparedLayer] = []
    source: Shape = graph.input_shape  # the last shape that was not flattened: HWC order follows it through a flatten
    for layer, input_shape, shape, limit in graph.neuron_layers():
        if prepared:
            source = prepared[-1].shape
        reach = layer.reach(limit)
        if reach >= _REACH_LIMIT:
            raise GraphError(
                f"layer {layer.name}: inputs can sum to {reach}, beyond the engine's {_REACH_LIMIT}; "
                "use smaller weights or fewer input bits"
            )
        prepared.append(
            _prepare_layer(layer, input_shape, source, shape, reach, graded=not prepared and graph.input_bits > 1)
        )
    return tuple(prepared)


def _prepare_layer(
    layer: Layer, input_shape: Shape, source: Shape, shape: Shape, reach: int, graded: bool
) -> PreparedLayer:
    synapses, convolution = None, None
    if layer.kind == "dense":
        synapses = _dense_synapses(layer, source)
    elif layer.kind == "conv":
        synapses = _conv_synapses(layer, input_shape, shape)
        convolution = _convolution(layer, input_shape, shape) if reach < 2**31 else None
    return PreparedLayer(
        layer=layer,
        inputs=(input_shape, source),
        shape=shape,
        sums=np.int32 if reach < 2**31 else np.int64,
        graded=graded,
        wraps=layer.kind != "input" and (reach >= ACCUMULATION_LIMIT or layer.decay_u < DECAY_UNITY),
        synapses=synapses,
        convolution=convolution,
        delay=_delay(layer, source),
        delays_inputs=delays_inputs(layer),
        neurons=Neurons(
            keep_u=DECAY_UNITY - layer.decay_u,
            narrow=layer.kind == "conv",
            keep_v=DECAY_UNITY - layer.decay_v,
            bias=_bias_row(layer, shape),
            threshold=_NEVER if layer.threshold is None else layer.threshold * POTENTIAL_UNITS,
            subtract=layer.reset == "subtract",
        ),
    )


def _hwc(array: np.ndarray, shape: Shape) -> np.ndarray:
    """Reorder the first axis from flat CHW to flat HWC, for activity of (C,H,W); one axis is left as it is."""
    if len(shape) == 1:
        return array
    return array.reshape(*shape, -1).transpose(1, 2, 0, 3).reshape(len(array), -1)


def _delay(layer: Layer, source: Shape) -> np.ndarray | None:
    """The layer's delay in the order of its activity."""
    if layer.delay is None or not delays_inputs(layer):
        return layer.delay
    return _hwc(layer.delay[:, None], source).ravel()


def _weight(array: np.ndarray, zeros: int = 0) -> np.ndarray:
    """Flat, and so many zeros."""
    weight = aligned(array.size + zeros, np.int32)
    weight[: array.size] = array.ravel()
    return weight


def _dense_synapses(layer: Layer, source: Shape) -> Synapses:
    """Every input of a row is a channel of one position, and reaches one run: all outputs."""
    outputs = len(layer.weight)
    rows, row = rows_of(source)
    return Synapses(
        weight=_weight(_hwc(layer.weight.T, source), zeros=outputs),
        source=(row, row, outputs),
        outputs=(outputs, outputs),
        rows=np.array([[y * row * outputs, 0, 1] for y in range(rows)]),
        row_steps=(0, 1),
        columns=np.array([[0, 0, 1, outputs]]),
        column_steps=(0, 0),
    )


def _conv_synapses(layer: Layer, input_shape: Shape, shape: Shape) -> Synapses:
    outputs, fan_in, _, width = layer.weight.shape
    fan_out = outputs // layer.groups
    grouped = layer.weight.reshape(layer.groups, fan_out, fan_in, *layer.weight.shape[2:])
    rows, (tap_step, out_step) = _reached(layer, 0, input_shape[1], shape[1])
    row_steps = (tap_step * width * fan_out, out_step)
    rows[:, 0] *= width * fan_out
    reached, (tap_step, out_step) = _reached(layer, 1, input_shape[2], shape[2])
    taps, firsts, counts = reached.T
    if tap_step == out_step == layer.groups == 1:  # the runs of neighbouring columns follow each other: one long run
        runs, lengths = np.minimum(counts, 1), counts * fan_out
    else:
        runs, lengths = counts, np.full_like(counts, fan_out)
    span = fan_out * layer.weight.shape[2] * width
    return Synapses(
        weight=_weight(grouped[..., ::-1, ::-1].transpose(0, 2, 3, 4, 1), zeros=span),
        source=(input_shape[0], fan_in, span),
        outputs=(shape[2] * outputs, fan_out),
        rows=rows,
        row_steps=row_steps,
        columns=np.stack([taps * fan_out, firsts * outputs, runs, lengths], axis=1),
        column_steps=(tap_step * fan_out, out_step * outputs),
    )


def _convolution(layer: Layer, input_shape: Shape, shape: Shape) -> Convolution:
    outputs, fan_in, *taps = layer.weight.shape
    fan_out = outputs // layer.groups
    parts = -(-fan_out // LANES)
    weight = np.zeros((layer.groups, parts * LANES, fan_in, *taps), np.int32)
    weight[:, :fan_out] = layer.weight.reshape(layer.groups, fan_out, fan_in, *taps)
    channels, _, width = input_shape
    row = (width + 2 * layer.padding[1]) * channels
    return Convolution(
        pitch=(row, channels),
        groups=(layer.groups, fan_in, fan_out),
        weight=_weight(weight.reshape(layer.groups, parts, LANES, fan_in, *taps).transpose(0, 1, 4, 5, 3, 2)),
        taps=(taps[0], taps[1]),
        dilation=layer.dilation,
        stride=layer.stride,
        width=shape[2],
        corner=layer.padding[0] * row + layer.padding[1] * channels,
    )


def _reached(layer: Layer, axis: int, size: int, outputs: int) -> tuple[np.ndarray, tuple[int, int]]:
    """For every position along an input axis the first (tap of the reversed kernel, output) it feeds, and how many.

    int64 (size, 3), and the steps from one (tap, output) to the next: position + padding = tap * dilation
    + output * stride, so both go by fixed steps.
    """
    stride, padding, dilation = layer.stride[axis], layer.padding[axis], layer.dilation[axis]
    taps = np.arange(layer.weight.shape[2 + axis])  # of the reversed kernel, so that outputs ascend
    out, off = np.divmod(np.arange(size)[:, None] + padding - taps[::-1] * dilation, stride)
    fed = (off == 0) & (out >= 0) & (out < outputs)
    first, counts = fed.argmax(axis=1), fed.sum(axis=1)
    reached = np.stack([first, out[np.arange(size), first], counts], axis=1) * (counts > 0)[:, None]
    common = gcd(stride, dilation)
    return reached, (stride // common, dilation // common)


def _bias_row(layer: Layer, shape: Shape) -> np.ndarray:
    """bias * 64 of one row of neurons."""
    bias = np.zeros(1, np.int32) if layer.bias is None or layer.kind == "input" else layer.bias
    return np.resize(bias * np.int32(POTENTIAL_UNITS), rows_of(shape)[1])
