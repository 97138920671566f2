"""The integer engine: event-driven, exact to the bit through every overflow, its time proportional to the spikes.

`layout.prepare` lays a graph's weights out for the kernels, once; `run` plays input through them. Neither keeps
anything global, and the kernels release the interpreter, so several graphs may run in threads of one process.

Where the equations of hybridnet.spiking meet 24 bits, the engine does what Lava's models do: a Conv's a wraps modulo
2^24 (`utils.signed_clamp`), a Dense's does not; u is brought back by 2^24 once (`AbstractPyLifModelFixed`); v is
clipped. Weights are used as they stand, also where Lava's Dense would clip them (see simulators.lava).
"""

from collections.abc import Collection

import numpy as np

from hybridnet.spiking import Shape
from hybridnet.trace import Trace
from simulators.delays import DelayLine
from simulators.kernels import SPIKE_MARGIN, integrate_current, scatter_spikes, update_neurons
from simulators.layout import PreparedLayer

_REFRACTORY = 1 << 7  # Loihi's v register in the step of a spike: the refractory delay, 1, in its upper bits


class _State:
    """What one layer holds during a run: allocated once, changed in place by the kernels."""

    def __init__(self, layer: PreparedLayer) -> None:
        self.accumulator: np.ndarray = np.zeros(layer.neurons, layer.sums)
        self.current = np.zeros(layer.neurons, np.int32) if layer.wraps else None
        self.potential = np.zeros(layer.neurons, np.int32)
        self.spikes = np.empty(layer.neurons + SPIKE_MARGIN, np.int32)
        self.fired = np.zeros(-(-(len(layer.bias) + SPIKE_MARGIN) // 8) * 8, np.uint8)
        self.ones: np.ndarray = np.empty(0, layer.sums)
        self.overflows = 0  # of the last step
        self.line = None if layer.delay is None else DelayLine(layer.delay, layer.sums)
        self.arrivals = None if layer.delay is None else DelayLine(layer.delay, np.int64)

    def scatter(self, layer: PreparedLayer, spikes: np.ndarray, values: np.ndarray | None) -> int:
        """Deliver spikes, each carrying its value or 1; returns the synaptic events, counted as they arrive."""
        if layer.driven:
            self.accumulator[spikes] = 1 if values is None else values
            return 0
        if self.line is not None and layer.delays_inputs:
            sent: np.ndarray = np.zeros(layer.input_shape[1], layer.sums)
            sent[spikes] = 1 if values is None else values
            arrived = self.line.pass_on(sent)
            spikes = np.flatnonzero(arrived).astype(np.int32)
            values = arrived[spikes] if layer.graded else None
        events: int = scatter_spikes(
            spikes, self.ones if values is None else values, layer.input_shape, layer.groups, layer.weight,
            layer.rows, layer.row_starts, layer.columns, layer.column_starts, self.accumulator,
        )  # fmt: skip
        if self.line is None or self.arrivals is None or layer.delays_inputs:
            return events
        self.accumulator[:] = self.line.pass_on(self.accumulator)
        return int(self.arrivals.pass_on(np.full(layer.neurons, len(spikes))).sum())

    def rest(self) -> None:
        self.potential[:] = 0
        if self.current is not None:
            self.current[:] = 0
        if self.line is not None and self.arrivals is not None:
            self.line.clear()
            self.arrivals.clear()

    def update(self, layer: PreparedLayer) -> np.ndarray:
        """One step of every neuron; returns the flat HWC indices of those that fired."""
        current, shift, wraps = self.accumulator, 6, 0
        if self.current is not None:
            wraps = integrate_current(self.accumulator, self.current, layer.keep_u, layer.narrow)
            current, shift = self.current, 0
        count, clipped = update_neurons(
            current, shift, self.potential, layer.keep_v, layer.bias,
            layer.threshold, layer.subtract, self.fired, self.spikes,
        )  # fmt: skip
        self.overflows = wraps + clipped
        return self.spikes[:count]


def run(
    layers: tuple[PreparedLayer, ...],
    x: np.ndarray,
    record: Collection[str] = (),
    reset_interval: int | None = None,
    hardware_refractory: bool = False,
) -> Trace:
    """Play checked integer input (T,C,H,W) or (T,N) through prepared layers, from rest; see `simulators.simulate`."""
    steps = len(x)
    interval = reset_interval or steps
    states = [_State(layer) for layer in layers]
    names = [layer.name for layer in layers]
    counts = {name: np.zeros(steps, np.int64) for name in names}
    events = {name: np.zeros(steps, np.int64) for name in names}
    overflows = {name: np.zeros(steps, np.int64) for name in names}
    sent = {layer.name: np.zeros((steps, *layer.shape), bool) for layer in layers if "spikes" in record}
    held = {layer.name: np.empty((steps, *layer.shape), np.int32) for layer in layers if "v" in record}
    potential = np.empty(0, np.int32)
    for t in range(steps):
        spikes, values = _spikes_of(x[t], layers[0])
        for layer, state in zip(layers, states, strict=True):
            if t % interval == 0:
                state.rest()
            events[layer.name][t] = state.scatter(layer, spikes, values)
            spikes, values = state.update(layer), None
            overflows[layer.name][t] = state.overflows
            counts[layer.name][t] = len(spikes)
            if layer.name in sent:
                channels = layer.shape[0] if len(layer.shape) == 3 else layer.neurons
                sent[layer.name][t].reshape(channels, -1)[spikes % channels, spikes // channels] = True
            potential = state.potential
            if hardware_refractory:  # what is read out; the next step still integrates from zero
                potential = potential.copy()
                potential[spikes] = _REFRACTORY
            if layer.name in held:
                held[layer.name][t] = _chw(potential, layer.shape)
    return Trace(
        backend="integer",
        potential=np.ascontiguousarray(_chw(potential, layers[-1].shape)),
        spikes=sent,
        v=held,
        spike_counts=counts,
        events=events,
        updates={layer.name: layer.neurons * steps for layer in layers},
        overflow_counts=overflows,
    )


def _spikes_of(frame: np.ndarray, layer: PreparedLayer) -> tuple[np.ndarray, np.ndarray | None]:
    """Flat HWC indices of a frame's non-zero elements, and their values if the layer is graded."""
    flat = (frame.transpose(1, 2, 0) if frame.ndim == 3 else frame).ravel()
    spikes = np.flatnonzero(flat).astype(np.int32)
    return spikes, flat[spikes].astype(layer.sums) if layer.graded else None


def _chw(flat: np.ndarray, shape: Shape) -> np.ndarray:
    """Flat HWC activity as (C,H,W), or (N,) as it is."""
    return flat if len(shape) == 1 else flat.reshape(shape[1], shape[2], shape[0]).transpose(2, 0, 1)
