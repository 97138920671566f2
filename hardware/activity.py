"""`LayerActivity`: what one layer of a spiking graph did, summed over steps, clips and videos."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from math import prod
from operator import add

import numpy as np

from hybridnet.errors import GraphError
from hybridnet.spiking import SpikingGraph
from hybridnet.trace import Trace


@dataclass(frozen=True)
class Told:
    """What only a run that recorded "counts" tells.

    active     updates of neurons whose potential was not zero afterwards, or that spiked
    effective  synaptic events whose weight is not zero
    """

    active: int
    effective: int

    def __add__(self, other: "Told") -> "Told":
        return Told(self.active + other.active, self.effective + other.effective)


@dataclass(frozen=True)
class LayerActivity:
    """Sums of one layer; two of the same layer can be added.

    arrivals  inputs that reached the layer and were not zero
    events    synaptic events: padding edges excluded, zero weights included
    updates   membrane updates
    spikes    spikes sent
    told      None if the run, or any of those added, did not record "counts"
    """

    arrivals: int
    events: int
    updates: int
    spikes: int
    told: Told | None = None

    def __add__(self, other: "LayerActivity") -> "LayerActivity":
        told = self.told + other.told if self.told and other.told else None
        return LayerActivity(
            self.arrivals + other.arrivals,
            self.events + other.events,
            self.updates + other.updates,
            self.spikes + other.spikes,
            told,
        )


def observe(graph: SpikingGraph, trace: Trace) -> dict[str, LayerActivity]:
    """Activity of every layer with neurons in one run of the graph, by name.

    GraphError if the trace is of another graph: a layer is missing, has other neurons, or did what it cannot do.
    """
    activities = {}
    arrivals = trace.inputs
    for layer, source, shape, _ in graph.neuron_layers():
        name, neurons = layer.name, prod(shape)
        for recorded, what in ((trace.events, "events"), (trace.updates, "updates"), (trace.spike_counts, "spikes")):
            if name not in recorded:
                _foreign(f"layer {name}: the trace holds no {what} of it")
        events, spikes, updates = trace.events[name], trace.spike_counts[name], int(trace.updates[name])
        traced = f"layer {name}: the trace has"
        if updates != neurons * len(events):
            wanted = f"{neurons} neurons in {len(events)} steps make {neurons * len(events)}"
            _foreign(f"{traced} {updates} updates, {wanted}")
        if len(spikes) != len(events) or (spikes > neurons).any():
            _foreign(f"{traced} {max(spikes, default=0)} spikes in a step, there are {neurons} neurons")
        fan_out = layer.weight[:, 0].size if layer.weight.ndim > 1 else 0
        if (events > prod(source) * fan_out).any():
            _foreign(f"{traced} {events.max()} events in a step, more than there are synapses")
        told = None
        if name in trace.active_counts:
            told = Told(int(trace.active_counts[name].sum()), int(trace.effective[name].sum()))
        arrived = int(np.sum(arrivals))
        activities[name] = LayerActivity(arrived, int(np.sum(events)), updates, int(np.sum(spikes)), told)
        arrivals = spikes
    return activities


def sum_activities(each: Iterable[Mapping[str, LayerActivity]]) -> dict[str, LayerActivity]:
    """Layer by layer, over runs of the same graph; empty without any."""
    runs = list(each)
    return {name: reduce(add, (run[name] for run in runs)) for name in (runs[0] if runs else ())}


def _foreign(what: str) -> None:
    raise GraphError(f"{what}; use the trace of a run of this graph")
