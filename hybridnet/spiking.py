"""`SpikingGraph`: the spiking partition as integers, the one form that quantiser, simulators and exporters share.

Dynamics of every layer at step t, bit for bit Lava's `fixed_pt` CUBA LIF (lava.proc.lif, lava-nc 0.10.0), with
trunc0 rounding toward zero and a = the layer's weights applied to its integer input:

    u = wrap24(trunc0(u * (4096 - decay_u) / 4096) + a * 64)
    v = clip24(trunc0(v * (4096 - decay_v) / 4096) + u + bias * 64)
    s = v > threshold * 64;   v[s] = 0 (reset "zero")  or  v[s] -= threshold * 64 (reset "subtract")

A readout (threshold None) never spikes: its v is the analog membrane potential that leaves the graph, worth
`v * scale / 64` in the model's real units. An input layer has neurons and no synapses: its input is the neurons' own
bias, so u stays 0 and v = clip24(trunc0(v * (4096 - decay_v) / 4096) + x * 64).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Literal

import numpy as np

from hybridnet.errors import GraphError

DECAY_UNITY = 4096  # decays are fractions lost per step, in 1/4096
POTENTIAL_UNITS = 64  # one unit of weight moves the potential by 2^6
POTENTIAL_LIMIT = 2**23 - 1  # u and v hold 24 bits, sign included
THRESHOLD_LIMIT = 2**17 - 1  # vThMant holds 17 bits
ACCUMULATION_LIMIT = 2**17  # |a| below this never wraps u, for a * 64 stays under 2^23

DELAY_LIMIT = 62  # steps; netx clamps what is beyond

_NONE = np.empty(0, np.int32)  # the weight of a layer without synapses
_NONE.setflags(write=False)

_RANKS = {"input": 1, "conv": 4, "dense": 2}  # axes of the weight, by kind

Kind = Literal["input", "conv", "dense", "flatten"]
Reset = Literal["zero", "subtract"]
Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of a spiking graph: synapses and the neurons behind them (a flatten has neither).

    name       unique in its graph
    kind       "conv", "dense", "flatten", or "input": neurons driven by the graph's input as their bias
    weight     integer; conv (Cout, Cin/groups, kh, kw), dense (out, in), as PyTorch; input (1,); empty for flatten
    stride, padding, dilation   (y, x), conv only
    groups     conv only
    bias       integer (Cout,) or (out,), added to v as bias * 64 every step; None for none; input (1,)
    delay      dense only, integer 0..62 or None for none: steps by which what goes to each neuron is late, (out,), or
               what comes from each input, (in,); of as many neurons as inputs it is (out,), as in netx. All 0 is None
    decay_u    0..4096: share of the synaptic current lost per step, in 1/4096; 4096 keeps none (plain LIF)
    decay_v    0..4096: share of the membrane potential lost per step, in 1/4096 (4096 * (1 - leak))
    threshold  0..131071 (vThMant), or None for a readout that never spikes
    reset      "zero" or "subtract"; a readout never resets, so its "subtract" is "zero"
    graded     only a readout may be: it sends v every step as a graded spike, instead of leaving it to be looked up
    scale      real value of one unit of weight

    An input's weight and bias are lava-dl's advice on making x of real pixels, round(weight * pixel + bias): kept for
    whoever prepares x, and applied by nobody else, as in netx.
    """

    name: str
    kind: Kind
    weight: np.ndarray = field(default_factory=lambda: _NONE)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    bias: np.ndarray | None = None
    delay: np.ndarray | None = None
    decay_u: int = DECAY_UNITY
    decay_v: int = 0
    threshold: int | None = None
    reset: Reset = "zero"
    graded: bool = False
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in _RANKS and self.kind != "flatten":
            raise GraphError(
                f"layer {self.name}: kind {self.kind!r} is not supported; use input, conv, dense or flatten"
            )
        if self.reset not in ("zero", "subtract"):
            raise GraphError(f"layer {self.name}: reset {self.reset!r} is not supported; use zero or subtract")
        if self.graded and (self.kind == "flatten" or self.threshold is not None):
            raise GraphError(f"layer {self.name}: only a readout sends graded potentials; leave out graded=True")
        if self.threshold is None:
            object.__setattr__(self, "reset", "zero")
        if self.delay is not None and self.kind != "dense":
            raise GraphError(f"layer {self.name}: a {self.kind} holds no delay, only a dense does; leave it out")
        if self.kind == "flatten":
            if self.weight is not _NONE or self.bias is not None or self.threshold is not None:
                raise GraphError(f"layer {self.name}: a flatten holds no weight, bias or threshold; leave them out")
            return
        object.__setattr__(self, "weight", self._integers("weight", self.weight))
        rank = _RANKS[self.kind]
        if self.weight.ndim != rank or 0 in self.weight.shape:
            raise GraphError(
                f"layer {self.name}: {self.kind} weight of shape {self.weight.shape} must have {rank} axes, none empty"
            )
        if self.kind == "input" and len(self.weight) != 1:
            raise GraphError(f"layer {self.name}: an input has one weight for all neurons, not {len(self.weight)}")
        if self.bias is not None:
            object.__setattr__(self, "bias", self._integers("bias", self.bias))
            if self.bias.shape != self.weight.shape[:1]:
                raise GraphError(
                    f"layer {self.name}: bias of shape {self.bias.shape} must be ({len(self.weight)},), one per channel"
                )
        if self.delay is not None:
            object.__setattr__(self, "delay", self._checked_delay(self.delay))
        self._check_geometry()
        self._check_range("decay_u", self.decay_u, 0, DECAY_UNITY)
        self._check_range("decay_v", self.decay_v, 0, DECAY_UNITY)
        if self.threshold is not None:
            self._check_range("threshold", self.threshold, 0, THRESHOLD_LIMIT)
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise GraphError(f"layer {self.name}: scale {self.scale} must be a positive finite number")

    def _integers(self, what: str, array: np.ndarray) -> np.ndarray:
        array = np.asarray(array)
        if array.dtype.kind not in "iu":
            raise GraphError(f"layer {self.name}: {what} of dtype {array.dtype} must be integer; quantise it first")
        if array.size and max(abs(int(array.min())), abs(int(array.max()))) > POTENTIAL_LIMIT:
            raise GraphError(
                f"layer {self.name}: {what} reaches beyond {POTENTIAL_LIMIT}, the 24-bit limit; rescale it"
            )
        array = np.array(array, dtype=np.int32, order="C")
        array.setflags(write=False)
        return array

    def _checked_delay(self, delay: np.ndarray) -> np.ndarray | None:
        delay = self._integers("delay", delay)
        outputs, inputs = self.weight.shape
        if delay.shape not in ((outputs,), (inputs,)):
            raise GraphError(
                f"layer {self.name}: delay of shape {delay.shape} must be ({outputs},), one per neuron, or ({inputs},)"
            )
        self._check_range("delay", int(delay.min()), 0, DELAY_LIMIT)
        self._check_range("delay", int(delay.max()), 0, DELAY_LIMIT)
        return delay if delay.any() else None

    def _check_geometry(self) -> None:
        for what, pair, low in (
            ("stride", self.stride, 1),
            ("padding", self.padding, 0),
            ("dilation", self.dilation, 1),
        ):
            if len(pair) != 2 or min(pair) < low:
                raise GraphError(f"layer {self.name}: {what} {pair} must be two integers of at least {low}")
        if self.groups < 1 or (self.kind == "conv" and self.weight.shape[0] % self.groups):
            raise GraphError(
                f"layer {self.name}: {self.groups} groups do not divide {self.weight.shape[0]} output channels"
            )

    def _check_range(self, what: str, value: int, low: int, high: int) -> None:
        if not low <= value <= high:
            raise GraphError(f"layer {self.name}: {what} {value} is outside {low}..{high}; quantise it again")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Layer):
            return NotImplemented
        return all(np.array_equal(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))

    def output_shape(self, shape: Shape) -> Shape:
        """Shape this layer gives for input of `shape` ((C,H,W) or (N,)); GraphError if it cannot take it."""
        if self.kind == "flatten":
            return (int(np.prod(shape)),)
        if self.kind == "input":
            return shape
        if self.kind == "dense":
            if len(shape) != 1 or shape[0] != self.weight.shape[1]:
                remedy = "fix the weight" if len(shape) == 1 else "add a flatten"
                raise GraphError(
                    f"layer {self.name}: dense takes ({self.weight.shape[1]},), its input is {shape}; {remedy}"
                )
            return (self.weight.shape[0],)
        channels = self.weight.shape[1] * self.groups
        if len(shape) != 3 or shape[0] != channels:
            raise GraphError(f"layer {self.name}: conv takes ({channels},H,W), its input is {shape}; fix the weight")
        size = []
        for axis in (0, 1):
            span = self.dilation[axis] * (self.weight.shape[2 + axis] - 1) + 1
            room = shape[1 + axis] + 2 * self.padding[axis] - span
            if room < 0:
                raise GraphError(
                    f"layer {self.name}: kernel spans {span}, its padded input {room + span}; pad it further"
                )
            size.append(room // self.stride[axis] + 1)
        return (self.weight.shape[0], *size)

    def reach(self, input_limit: int) -> int:
        """Largest |a| of a layer with neurons: max over outputs of sum|w| (1 of an input), times the input's limit."""
        if self.kind == "input":
            return input_limit
        return int(np.abs(self.weight, dtype=np.int64).reshape(len(self.weight), -1).sum(axis=1).max()) * input_limit


@dataclass(frozen=True, eq=False)
class SpikingGraph:
    """An ordered chain of integer layers; the last one is the readout or the output layer.

    layers       at least one with neurons; only the last may be a readout (threshold None)
    input_shape  (C,H,W) or (N,)
    input_bits   1 for binary spikes (0 or 1); b > 1 for graded signed integers within +-(2^(b-1) - 1), up to 24
    steps        T, the steps one inference takes (11 P-frames)
    """

    layers: tuple[Layer, ...]
    input_shape: Shape
    input_bits: int
    steps: int

    def __post_init__(self) -> None:
        if all(layer.kind == "flatten" for layer in self.layers):
            raise GraphError("spiking graph: no layer has neurons; give at least one conv or dense")
        names = [layer.name for layer in self.layers]
        for name in names:
            if names.count(name) > 1:
                raise GraphError(f"layer {name}: the name appears {names.count(name)} times; names must be unique")
        for layer in self.layers[1:]:
            if layer.kind == "input":
                raise GraphError(f"layer {layer.name}: an input layer must be the first; drop it")
        for layer in self.layers[:-1]:
            if layer.kind != "flatten" and layer.threshold is None:
                raise GraphError(f"layer {layer.name}: only the last layer may be a readout; give it a threshold")
        if self.layers[-1].kind == "flatten":
            raise GraphError(f"layer {self.layers[-1].name}: a flatten cannot be last, nothing reads it; drop it")
        if len(self.input_shape) not in (1, 3) or min(self.input_shape) < 1:
            raise GraphError(f"spiking graph: input shape {self.input_shape} must be (C,H,W) or (N,), all positive")
        if not 1 <= self.input_bits <= 24:
            raise GraphError(f"spiking graph: input_bits {self.input_bits} is outside 1..24")
        if self.steps < 1:
            raise GraphError(f"spiking graph: steps {self.steps} must be at least 1")
        _ = self.shapes

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SpikingGraph):
            return NotImplemented
        return all(getattr(self, f.name) == getattr(other, f.name) for f in fields(self))

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """Output shape of every layer, in order."""
        shapes, shape = [], self.input_shape
        for layer in self.layers:
            shape = layer.output_shape(shape)
            shapes.append(shape)
        return tuple(shapes)

    @property
    def input_limit(self) -> int:
        """Largest magnitude of an input element."""
        return 1 if self.input_bits == 1 else 2 ** (self.input_bits - 1) - 1

    @property
    def output_shape(self) -> Shape:
        return self.shapes[-1]

    def neuron_layers(self) -> Iterator[tuple[Layer, Shape, Shape, int]]:
        """Every layer with neurons: (layer, input shape, output shape, largest input magnitude)."""
        shape, limit = self.input_shape, self.input_limit
        for layer, out in zip(self.layers, self.shapes, strict=True):
            if layer.kind != "flatten":
                yield layer, shape, out, limit
                limit = 1
            shape = out
