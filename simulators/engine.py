"""The integer engine: event-driven, exact to the bit through every overflow, its time proportional to the spikes.

`layout.prepare` lays a graph's weights out for the kernels, once; `run` plays input through them, a layer after the
other over several steps, for a layer's neurons meet nothing but what the one before sent. Neither keeps anything
global, and the kernels release the interpreter, so several graphs may run in threads of one process.

Where the equations of hybridnet.spiking meet 24 bits, the engine does what Lava's models do: a Conv's a wraps modulo
2^24 (`utils.signed_clamp`), a Dense's does not; u is brought back by 2^24 once (`AbstractPyLifModelFixed`); v is
clipped. Weights are used as they stand, also where Lava's Dense would clip them (see simulators.lava).
"""

from collections.abc import Collection

import numpy as np

from hybridnet.trace import Trace
from simulators.activity import Activity
from simulators.bits import channels_first, places, unpack
from simulators.layout import PreparedLayer
from simulators.population import Population, Spikes

# Steps that a layer plays before the next one does: its spikes, as bits, are as large as its state then; and where the
# potentials of all of them are looked at.
_TOGETHER, _LOOKED_AT = 32, 4
_REFRACTORY = 1 << 7  # Loihi's v register in the step of a spike: the refractory delay, 1, in its upper bits


def run(
    layers: tuple[PreparedLayer, ...],
    x: np.ndarray,
    record: Collection[str] = (),
    reset_interval: int | None = None,
    hardware_refractory: bool = False,
) -> Trace:
    """Play checked integer input (T,C,H,W) or (T,N) through prepared layers, from rest; see `simulators.simulate`."""
    steps = len(x)
    rests = np.arange(steps) % (reset_interval or steps) == 0
    looked_at = "v" in record or "counts" in record
    populations = [Population(layer) for layer in layers]
    counts, events, overflows = ({layer.name: np.zeros(steps, np.int64) for layer in layers} for _ in range(3))
    sent = {layer.name: np.zeros((steps, *layer.shape), bool) for layer in layers if "spikes" in record}
    held = {layer.name: np.empty((steps, *layer.shape), np.int32) for layer in layers if "v" in record}
    inputs = np.zeros(steps, np.int64)
    activity = (
        Activity({layer.name: layer.effective_fan_out for layer in layers}, steps) if "counts" in record else None
    )
    together = min(steps, _LOOKED_AT if looked_at else _TOGETHER)
    largest = max(layer.size for layer in layers)
    shelf = np.empty(together * largest if looked_at else 0, np.int32)  # one for all layers in turn
    for start in range(0, steps, together):
        now = slice(start, start + together)
        spikes = Spikes.of(x[now], layers[0].graded or layers[0].synapses is None)
        inputs[now] = spikes.counts
        if activity:
            activity.see_input(places(spikes.bits, layers[0].source))
        for layer, population in zip(layers, populations, strict=True):
            potentials = shelf[: len(rests[now]) * layer.size].reshape(len(rests[now]), -1)
            spikes = population.play(spikes, rests[now], potentials)
            events[layer.name][now] = population.events
            counts[layer.name][now] = spikes.counts
            overflows[layer.name][now] = population.overflows
            if activity:
                activity.see_layer(start, layer.name, places(spikes.bits, layer.shape), potentials)
            if layer.name in sent:
                sent[layer.name][now] = unpack(spikes.bits, layer.shape)
            if layer.name in held:
                held[layer.name][now] = channels_first(potentials, layer.shape)
                if hardware_refractory:
                    held[layer.name][now][unpack(spikes.bits, layer.shape)] = _REFRACTORY
    potential = np.ascontiguousarray(channels_first(population.potential[None], layer.shape)[0])
    if hardware_refractory:  # what is read out; a next step would still integrate from zero
        potential[unpack(spikes.bits[-1:], layer.shape)[0]] = _REFRACTORY
    return Trace(
        backend="integer",
        potential=potential,
        spikes=sent,
        v=held,
        spike_counts=counts,
        events=events,
        updates={layer.name: layer.size * steps for layer in layers},
        overflow_counts=overflows,
        inputs=inputs,
        active_counts=activity.active if activity else {},
        effective=activity.effective if activity else {},
    )
