"""The integer engine: event-driven, exact to the bit through every overflow, its time proportional to the spikes.

`layout.prepare` lays a graph's weights out for the kernels, once; `run` plays input through them, band by band of
output rows, so that what a band accumulates is still in the cache when its neurons are updated. Neither keeps anything
global, and the kernels release the interpreter, so several graphs may run in threads of one process.

Where the equations of hybridnet.spiking meet 24 bits, the engine does what Lava's models do: a Conv's a wraps modulo
2^24 (`utils.signed_clamp`), a Dense's does not; u is brought back by 2^24 once (`AbstractPyLifModelFixed`); v is
clipped. Weights are used as they stand, also where Lava's Dense would clip them (see simulators.lava).
"""

from collections.abc import Collection

import numpy as np

from hybridnet.spiking import Shape
from hybridnet.trace import Trace
from simulators.activity import Activity
from simulators.layout import PreparedLayer
from simulators.population import Population

_REFRACTORY = 1 << 7  # Loihi's v register in the step of a spike: the refractory delay, 1, in its upper bits
_NO_COUNTS = np.empty(0, np.int64)


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
    populations = [Population(layer) for layer in layers]
    names = [layer.name for layer in layers]
    counts = {name: np.zeros(steps, np.int64) for name in names}
    events = {name: np.zeros(steps, np.int64) for name in names}
    overflows = {name: np.zeros(steps, np.int64) for name in names}
    sent = {layer.name: np.zeros((steps, *layer.shape), bool) for layer in layers if "spikes" in record}
    held = {layer.name: np.empty((steps, *layer.shape), np.int32) for layer in layers if "v" in record}
    activity = (
        Activity({layer.name: layer.effective_fan_out for layer in layers}, steps) if "counts" in record else None
    )
    potential = np.empty(0, np.int32)
    for t in range(steps):
        spikes, values = _spikes_of(x[t], layers[0])
        if activity:
            activity.see_input(t, spikes)
        for layer, population in zip(layers, populations, strict=True):
            if t % interval == 0:
                population.rest()
            spikes, values = population.step(spikes, values), None
            events[layer.name][t] = population.events
            counts[layer.name][t] = len(spikes)
            overflows[layer.name][t] = population.overflows
            if activity:
                activity.see_layer(t, layer.name, spikes, population.potential)
            if layer.name in sent:
                channels = layer.shape[0] if len(layer.shape) == 3 else layer.neurons
                sent[layer.name][t].reshape(channels, -1)[spikes % channels, spikes // channels] = True
            potential = population.potential
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
        inputs=activity.inputs if activity else _NO_COUNTS,
        active_counts=activity.active if activity else {},
        effective=activity.effective if activity else {},
    )


def _spikes_of(frame: np.ndarray, layer: PreparedLayer) -> tuple[np.ndarray, np.ndarray | None]:
    """Flat HWC indices of a frame's non-zero elements, and their values if the layer is graded."""
    # Stacking takes an eighth of the time of a transposed copy.
    flat = (np.stack(list(frame), axis=-1) if frame.ndim == 3 else frame).ravel()
    spikes = np.flatnonzero(flat != 0).astype(np.int32)
    return spikes, flat[spikes].astype(layer.sums) if layer.graded else None


def _chw(flat: np.ndarray, shape: Shape) -> np.ndarray:
    """Flat HWC activity as (C,H,W), or (N,) as it is."""
    return flat if len(shape) == 1 else flat.reshape(shape[1], shape[2], shape[0]).transpose(2, 0, 1)
