"""How a layer is cut into the boxes of outputs that cores hold, and what a box takes of a core.

Along an axis, output o reads input i if i = o * stride - padding + k * dilation for a tap k < kernel; the synapses of
an input on a box are the product of those along y, x and the channels. A dense layer is a convolution over one place.

Words of synapse memory, each list of a source beginning a new one (n synapses of `weight` bits, lists of `synapse_list`
at most):

    shared    one list per input channel and tap:  ceil((n * weight + header) / word),           n output channels
    unrolled  one list per input of the box:       ceil((n * (weight + index) + header) / word), n synapses on the box

Delays of synapses are not counted.
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from hardware.target import Target
from hybridnet.spiking import Layer, Shape, SpikingGraph


@dataclass(frozen=True)
class Wiring:
    """A layer's connections, without its weights.

    name, kind   as in `Layer`
    inputs       (C,H,W); (N,1,1) where the layer reads a vector
    outputs      the same of its neurons
    kernel, stride, padding, dilation   (y, x)
    groups       of channels
    weight_bits  width of its weights, the sign included: the smallest that holds them; 0 without synapses
    """

    name: str
    kind: str
    inputs: tuple[int, int, int]
    outputs: tuple[int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    weight_bits: int

    def synapses(self, axis: int, length: int) -> np.ndarray:
        """int64 (boxes, inputs) along an axis of (C,H,W): how often outputs of each box read each input."""
        inputs, outputs = self.inputs[axis], self.outputs[axis]
        sizes = _sizes(outputs, length)
        if axis == 0 and self.groups == 1:  # one column seen as all: a dense layer may read tens of thousands
            return np.broadcast_to(sizes[:, None], (len(sizes), inputs))
        counts = np.zeros((len(sizes), inputs), np.int64)
        if axis == 0:
            reader, read = np.arange(outputs), np.arange(inputs)
            same = reader[:, None] // (outputs // self.groups) == read // (inputs // self.groups)
            np.add.at(counts, reader // length, same)
            return counts
        reader = np.arange(outputs)[:, None]
        read = reader * self.stride[axis - 1] - self.padding[axis - 1]
        read = read + np.arange(self.kernel[axis - 1]) * self.dilation[axis - 1]
        inside = (read >= 0) & (read < inputs)
        np.add.at(counts, (np.broadcast_to(reader // length, read.shape)[inside], read[inside]), 1)
        return counts


@dataclass(frozen=True)
class Tiling:
    """Boxes of a layer: channels x rows x columns at most, and how their synapses are held ("shared", "unrolled")."""

    channels: int
    rows: int
    columns: int
    kernel: str

    @property
    def box(self) -> tuple[int, int, int]:
        return self.channels, self.rows, self.columns


@dataclass(frozen=True, eq=False)
class Cores:
    """What a tiling takes of every core, boxes in the order column, row, channel: int64 (x, y, c) of them.

    neurons, axons_in, axons_out   numbers
    synapse_bits                   of synapse memory
    """

    wiring: Wiring
    tiling: Tiling
    neurons: np.ndarray
    synapse_bits: np.ndarray
    axons_in: np.ndarray
    axons_out: np.ndarray

    @property
    def number(self) -> int:
        return self.neurons.size


def wire(graph: SpikingGraph, target: Target) -> list[Wiring]:
    """The wirings of a graph's layers with neurons, in order; weights in units of the target's weight_exponent."""
    return [_wiring(layer, read, out, target) for layer, read, out, _ in graph.neuron_layers()]


def _wiring(layer: Layer, inputs: Shape, outputs: Shape, target: Target) -> Wiring:
    kernel = layer.weight.shape[2:] if layer.kind == "conv" else (1, 1)
    bits = 0 if layer.kind == "input" else _width(layer.weight >> target.bits("weight_exponent"))
    return Wiring(
        layer.name, layer.kind, _volume(inputs), _volume(outputs), (kernel[0], kernel[1]),
        layer.stride, layer.padding, layer.dilation, layer.groups, bits,
    )  # fmt: skip


def _volume(shape: Shape) -> tuple[int, int, int]:
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else (shape[0], 1, 1)


def _width(weight: np.ndarray) -> int:
    """Bits of the smallest signed integer that holds every weight."""
    return 1 + max((value if value >= 0 else ~value).bit_length() for value in (int(weight.min()), int(weight.max())))


def cut(wiring: Wiring, tiling: Tiling, following: "Cores | None", target: Target) -> Cores:
    """What every core of a layer so cut takes, its spikes going to the cores of the layer that follows."""
    neurons = _by_core(*(_sizes(wiring.outputs[axis], tiling.box[axis]) for axis in range(3)))
    out = _by_core(*(reached.sum(axis=1) for reached in reach(wiring, tiling, following)))
    if following is not None and following.tiling.kernel == "shared":
        out = out * (target.count("axon_slots") or 1)
    if not wiring.weight_bits:
        return Cores(wiring, tiling, neurons, np.zeros_like(neurons), np.zeros_like(neurons), out)
    c, y, x = (wiring.synapses(axis, tiling.box[axis]) for axis in range(3))
    if tiling.kernel == "shared":
        read = np.ones(len(c), np.int64)  # a message brings its channel along: one axon a place
        lists = prod(wiring.kernel) * _bits(c, wiring.weight_bits, target).sum(axis=1)
        bits = _by_core(lists, np.ones(len(y), np.int64), np.ones(len(x), np.int64))
    else:
        read = (c > 0).sum(axis=1)
        bits = _unrolled_bits((c, y, x), wiring.weight_bits + target.bits("synapse_index"), target)
    return Cores(wiring, tiling, neurons, bits, _by_core(read, (y > 0).sum(axis=1), (x > 0).sum(axis=1)), out)


def reach(wiring: Wiring, tiling: Tiling, following: "Cores | None") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Who sends where, along c, y and x: int64 (boxes, boxes that follow), the extent of a box that the other reads.

    The neurons of core s that send to core d are the product of the three; without a layer that follows they are 0.
    """
    sizes = tuple(_sizes(wiring.outputs[axis], tiling.box[axis])[:, None] for axis in range(3))
    if following is None:
        return sizes[0] * 0, sizes[1], sizes[2]
    reader = following.wiring
    if reader.inputs != wiring.outputs:  # flattened in between: every neuron of a dense layer reads everything
        return np.repeat(sizes[0], following.number, axis=1), sizes[1], sizes[2]
    pairs = []
    for axis in range(3):
        sends = reader.synapses(axis, following.tiling.box[axis]) > 0
        starts = np.arange(0, wiring.outputs[axis], tiling.box[axis])
        pairs.append(np.add.reduceat(sends, starts, axis=1, dtype=np.int64).T)
    return pairs[0], pairs[1], pairs[2]


def _sizes(extent: int, length: int) -> np.ndarray:
    """Lengths of the boxes along an axis."""
    return np.diff(np.append(np.arange(0, extent, length), extent))


def _by_core(c: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    return x[:, None, None] * y[:, None] * c


def _bits(synapses: np.ndarray, each: int, target: Target) -> np.ndarray:
    """Bits that lists of so many synapses take, whole words; a list without synapses is none."""
    word, header = target.bits("synapse_word"), target.bits("synapse_header")
    longest = target.count("synapse_list")
    full, rest = (np.zeros_like(synapses), synapses) if longest is None else np.divmod(synapses, longest)
    words = np.where(rest > 0, -(-(rest * each + header) // word), 0)
    if longest is not None:
        words = words + full * -(-(longest * each + header) // word)
    return words * word


def _unrolled_bits(axes: tuple[np.ndarray, np.ndarray, np.ndarray], each: int, target: Target) -> np.ndarray:
    """By core: the lists of all inputs. Boxes with the same synapses per input, as the inner ones, are summed once."""
    kinds, which, many = [], [], []
    for synapses in axes:
        values, spread = _spread(synapses)
        kind, index = np.unique(spread, axis=0, return_inverse=True)
        kinds.append(values)
        many.append(kind)
        which.append(index.reshape(-1))
    c, y, x = kinds
    lists = _bits(x[:, None, None] * y[:, None] * c, each, target)
    bits = np.einsum("abc,xa,yb,zc->xyz", lists, many[2], many[1], many[0])
    return bits[np.ix_(which[2], which[1], which[0])]


def _spread(synapses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of synapses there are, and how many inputs of each box have each: (values,), (boxes, values)."""
    if not synapses.strides[1]:  # one column seen as all
        values = np.unique(synapses[:, 0])
        return values, (synapses[:, :1] == values) * synapses.shape[1]
    values = np.unique(synapses)
    return values, np.stack([(synapses == value).sum(axis=1) for value in values], axis=1)
