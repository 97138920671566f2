"""The integer engine: event-driven, exact to the bit through every overflow, its time proportional to the spikes.

`prepare` lays a graph's weights out for the kernels, once; `run` plays input through them. Neither keeps anything
global, and the kernels release the interpreter, so several graphs may run in threads of one process.

Where the equations of hybridnet.spiking meet 24 bits, the engine does what Lava's models do: a Conv's a wraps modulo
2^24 (`utils.signed_clamp`), a Dense's does not; u is brought back by 2^24 once (`AbstractPyLifModelFixed`); v is
clipped. Weights are used as they stand, also where Lava's Dense would clip them (see simulators.lava).
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from hybridnet.errors import GraphError
from hybridnet.spiking import ACCUMULATION_LIMIT, DECAY_UNITY, POTENTIAL_UNITS, Layer, Shape, SpikingGraph
from hybridnet.trace import Trace
from simulators.kernels import BLOCK, SPIKE_MARGIN, integrate_current, scatter_spikes, update_neurons

_REACH_LIMIT = 2**57  # a * 64 must fit the 64 bits that count wraps
_NEVER = 2**31 - 1  # a threshold above every potential

Reached = list[list[tuple[int, ...]]]  # per input position, the table entries it reaches


@dataclass(frozen=True, eq=False)
class PreparedLayer:
    """One layer as the kernels read it; tables and constants are those of `scatter_spikes` and `update_neurons`."""

    name: str
    shape: Shape
    sums: type  # dtype of the accumulator, wide enough for any sum
    graded: bool  # its input carries values, not only spikes
    narrow: bool  # a wraps at 24 bits
    wraps: bool  # u may wrap or is kept between steps
    input_shape: tuple[int, int]
    groups: tuple[int, int]
    weight: np.ndarray
    rows: np.ndarray
    row_starts: np.ndarray
    columns: np.ndarray
    column_starts: np.ndarray
    keep_u: int
    keep_v: int
    bias: np.ndarray
    threshold: int
    subtract: bool

    @property
    def neurons(self) -> int:
        return int(np.prod(self.shape))


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
    outputs = len(layer.weight)
    rows: Reached
    columns: Reached
    if layer.kind == "dense":
        channels, width, groups = input_shape[0], 1, (input_shape[0], outputs)
        weight = _hwc(layer.weight.T, source)
        rows, columns = [[(0, 0)]], [[(0, 0, outputs)]]
    else:
        channels, width = input_shape[0], input_shape[2]
        groups = (channels // layer.groups, outputs // layer.groups)
        weight = _conv_weight(layer)
        rows, columns = _conv_tables(layer, input_shape, shape)
    row_starts, row_table = _table(rows, 2)
    column_starts, column_table = _table(columns, 3)
    return PreparedLayer(
        name=layer.name,
        shape=shape,
        sums=np.int32 if reach < 2**31 else np.int64,
        graded=graded,
        narrow=layer.kind == "conv",
        wraps=reach >= ACCUMULATION_LIMIT or layer.decay_u < DECAY_UNITY,
        input_shape=(width, channels),
        groups=groups,
        weight=np.array(weight, dtype=np.int32).ravel(),
        rows=row_table,
        row_starts=row_starts,
        columns=column_table,
        column_starts=column_starts,
        keep_u=DECAY_UNITY - layer.decay_u,
        keep_v=DECAY_UNITY - layer.decay_v,
        bias=_bias_block(layer),
        threshold=_NEVER if layer.threshold is None else layer.threshold * POTENTIAL_UNITS,
        subtract=layer.reset == "subtract",
    )


def _hwc(array: np.ndarray, shape: Shape) -> np.ndarray:
    """Reorder the first axis from flat CHW to flat HWC, for activity of (C,H,W); one axis is left as it is."""
    if len(shape) == 1:
        return array
    return array.reshape(*shape, -1).transpose(1, 2, 0, 3).reshape(len(array), -1)


def _conv_weight(layer: Layer) -> np.ndarray:
    """(Cout, Cin/groups, kh, kw) as (Cin, kh, kw reversed, Cout/groups)."""
    outputs, fan_in, height, width = layer.weight.shape
    grouped = layer.weight.reshape(layer.groups, outputs // layer.groups, fan_in, height, width)
    return grouped[..., ::-1].transpose(0, 2, 3, 4, 1)


def _conv_tables(layer: Layer, input_shape: Shape, shape: Shape) -> tuple[Reached, Reached]:
    """Per input row and per input column, what it reaches: the offsets that `scatter_spikes` adds up."""
    fan_out, outputs, taps = len(layer.weight) // layer.groups, len(layer.weight), layer.weight.shape[3]
    rows: Reached = [
        [(tap * taps * fan_out, out * shape[2] * outputs) for tap, out in reached]
        for reached in _reached(layer, 0, input_shape[1], shape[1])
    ]
    columns: Reached = []
    for reached in _reached(layer, 1, input_shape[2], shape[2]):
        runs: list[tuple[int, ...]] = []
        for tap, out in reversed(reached):  # by ascending output, which is the order of the reversed kernel
            begin, into = (taps - 1 - tap) * fan_out, out * outputs
            if runs and layer.groups == 1 and runs[-1][0] + runs[-1][2] == begin and runs[-1][1] + runs[-1][2] == into:
                runs[-1] = (*runs[-1][:2], runs[-1][2] + fan_out)
            else:
                runs.append((begin, into, fan_out))
        columns.append(runs)
    return rows, columns


def _reached(layer: Layer, axis: int, size: int, outputs: int) -> Reached:
    """For every position along an input axis, the (kernel tap, output position) pairs it feeds."""
    stride, padding, dilation = layer.stride[axis], layer.padding[axis], layer.dilation[axis]
    reached: Reached = []
    for position in range(size):
        taps: list[tuple[int, ...]] = []
        for tap in range(layer.weight.shape[2 + axis]):
            out, off = divmod(position + padding - tap * dilation, stride)
            if off == 0 and 0 <= out < outputs:
                taps.append((tap, out))
        reached.append(taps)
    return reached


def _table(entries: Reached, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Lists of unequal length as (starts, one table)."""
    starts = np.cumsum([0, *map(len, entries)], dtype=np.int64)
    return starts, np.array([entry for group in entries for entry in group], dtype=np.int64).reshape(-1, width)


def _bias_block(layer: Layer) -> np.ndarray:
    """bias * 64 of one block of neurons: whole repetitions of the channels, near BLOCK long."""
    bias = np.zeros(1, np.int32) if layer.bias is None else layer.bias
    return np.tile(bias * np.int32(POTENTIAL_UNITS), max(1, BLOCK // len(bias)))


class _State:
    """What one layer holds during a run: allocated once, changed in place by the kernels."""

    def __init__(self, layer: PreparedLayer) -> None:
        self.accumulator: np.ndarray = np.zeros(layer.neurons, layer.sums)
        self.current = np.zeros(layer.neurons, np.int32) if layer.wraps else None
        self.potential = np.zeros(layer.neurons, np.int32)
        self.spikes = np.empty(layer.neurons + SPIKE_MARGIN, np.int32)
        self.fired = np.zeros(-(-(len(layer.bias) + SPIKE_MARGIN) // 8) * 8, np.uint8)
        self.ones: np.ndarray = np.empty(0, layer.sums)
        self.overflows = 0

    def scatter(self, layer: PreparedLayer, spikes: np.ndarray, values: np.ndarray | None) -> int:
        """Deliver spikes, each carrying its value or 1; returns the synaptic events."""
        values = self.ones if values is None else values
        return scatter_spikes(
            spikes, values, layer.input_shape, layer.groups, layer.weight,
            layer.rows, layer.row_starts, layer.columns, layer.column_starts, self.accumulator,
        )  # fmt: skip

    def update(self, layer: PreparedLayer) -> np.ndarray:
        """One step of every neuron; returns the flat HWC indices of those that fired."""
        current, shift = self.accumulator, 6
        if self.current is not None:
            self.overflows += integrate_current(self.accumulator, self.current, layer.keep_u, layer.narrow)
            current, shift = self.current, 0
        count, clipped = update_neurons(
            current, shift, self.potential, layer.keep_v, layer.bias,
            layer.threshold, layer.subtract, self.fired, self.spikes,
        )  # fmt: skip
        self.overflows += clipped
        return self.spikes[:count]


def run(layers: tuple[PreparedLayer, ...], x: np.ndarray, record: Collection[str] = ()) -> Trace:
    """Play checked integer input (T,C,H,W) or (T,N) through prepared layers, from rest; see `simulators.simulate`."""
    steps = len(x)
    states = [_State(layer) for layer in layers]
    names = [layer.name for layer in layers]
    counts = {name: np.zeros(steps, np.int64) for name in names}
    events = {name: np.zeros(steps, np.int64) for name in names}
    sent = {layer.name: np.zeros((steps, *layer.shape), bool) for layer in layers if "spikes" in record}
    held = {layer.name: np.empty((steps, *layer.shape), np.int32) for layer in layers if "v" in record}
    for t in range(steps):
        spikes, values = _spikes_of(x[t], layers[0])
        for layer, state in zip(layers, states, strict=True):
            events[layer.name][t] = state.scatter(layer, spikes, values)
            spikes, values = state.update(layer), None
            counts[layer.name][t] = len(spikes)
            if layer.name in sent:
                channels = layer.shape[0] if len(layer.shape) == 3 else layer.neurons
                sent[layer.name][t].reshape(channels, -1)[spikes % channels, spikes // channels] = True
            if layer.name in held:
                held[layer.name][t] = _chw(state.potential, layer.shape)
    return Trace(
        backend="integer",
        potential=np.ascontiguousarray(_chw(states[-1].potential, layers[-1].shape)),
        spikes=sent,
        v=held,
        spike_counts=counts,
        events=events,
        updates={layer.name: layer.neurons * steps for layer in layers},
        overflows={layer.name: state.overflows for layer, state in zip(layers, states, strict=True)},
    )


def _spikes_of(frame: np.ndarray, layer: PreparedLayer) -> tuple[np.ndarray, np.ndarray | None]:
    """Flat HWC indices of a frame's non-zero elements, and their values if the layer is graded."""
    flat = (frame.transpose(1, 2, 0) if frame.ndim == 3 else frame).ravel()
    spikes = np.flatnonzero(flat).astype(np.int32)
    return spikes, flat[spikes].astype(layer.sums) if layer.graded else None


def _chw(flat: np.ndarray, shape: Shape) -> np.ndarray:
    """Flat HWC activity as (C,H,W), or (N,) as it is."""
    return flat if len(shape) == 1 else flat.reshape(shape[1], shape[2], shape[0]).transpose(2, 0, 1)
