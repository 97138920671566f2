"""A spiking graph laid out for the engine's kernels: weights, tables of what reaches what, and constants."""

from dataclasses import dataclass

import numpy as np

from hybridnet.errors import GraphError
from hybridnet.spiking import ACCUMULATION_LIMIT, DECAY_UNITY, POTENTIAL_UNITS, Layer, Shape, SpikingGraph
from simulators.delays import delays_inputs
from simulators.kernels import BLOCK

_REACH_LIMIT = 2**57  # a * 64 must fit the 64 bits that count wraps
_NEVER = 2**31 - 1  # a threshold above every potential

Reached = list[list[tuple[int, ...]]]  # per input position, the table entries it reaches


@dataclass(frozen=True, eq=False)
class PreparedLayer:
    """One layer as the kernels read it; tables and constants are those of `scatter_spikes` and `update_neurons`."""

    name: str
    shape: Shape
    driven: bool  # it has no synapses: its input is its neurons' bias
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
    delay: np.ndarray | None
    delays_inputs: bool  # its delay is one per input, not one per neuron
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
    if layer.kind == "input":
        channels, width, groups, weight = 1, 1, (1, 1), layer.weight
        rows, columns = [], []
    elif layer.kind == "dense":
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
        driven=layer.kind == "input",
        sums=np.int32 if reach < 2**31 else np.int64,
        graded=graded,
        narrow=layer.kind == "conv",
        wraps=layer.kind != "input" and (reach >= ACCUMULATION_LIMIT or layer.decay_u < DECAY_UNITY),
        input_shape=(width, channels),
        groups=groups,
        weight=np.array(weight, dtype=np.int32).ravel(),
        rows=row_table,
        row_starts=row_starts,
        columns=column_table,
        column_starts=column_starts,
        delay=_delay(layer, source),
        delays_inputs=delays_inputs(layer),
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


def _delay(layer: Layer, source: Shape) -> np.ndarray | None:
    """The layer's delay in the order of its activity."""
    if layer.delay is None or not delays_inputs(layer):
        return layer.delay
    return _hwc(layer.delay[:, None], source).ravel()


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
    bias = np.zeros(1, np.int32) if layer.bias is None or layer.kind == "input" else layer.bias
    return np.tile(bias * np.int32(POTENTIAL_UNITS), max(1, BLOCK // len(bias)))
