"""Operation counts: what ran, part by part and layer by layer, before any price is put on it.

mac                 one multiply-accumulate: graded (not binary) input times a weight. One MAC is not two FLOPs here
synaptic_operation  one accumulate: a binary spike adds a weight to a membrane
membrane_update     one neuron's leak, integration and threshold test in one step

Spiking layers are counted by the events that happened: silent inputs and padding edges cost nothing. An event reaches
its synapses before their weights are known, so zero weights count; NeuroBench, which leaves them out, may count fewer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import TypeVar

import numpy as np

from hybridnet.errors import GraphError, TargetError
from hybridnet.spiking import SpikingGraph
from hybridnet.trace import Trace

OPERATIONS = ("mac", "synaptic_operation", "membrane_update")

T = TypeVar("T")


@dataclass(frozen=True)
class Count:
    """How often one layer of one part did one operation.

    part       a spiking stream or the conventional partition, as the bundle names it
    layer      layer of a spiking graph, or node of the conventional one
    operation  one of OPERATIONS
    count      0 or more; TargetError otherwise
    """

    part: str
    layer: str
    operation: str
    count: int

    def __post_init__(self) -> None:
        place = f"{self.part}/{self.layer}"
        if self.operation not in OPERATIONS:
            known = ", ".join(OPERATIONS)
            raise TargetError(f"{place}: operation {self.operation!r} is not known; use one of {known}")
        if not isinstance(self.count, int) or self.count < 0:
            raise TargetError(f"{place}: {self.operation} count {self.count!r} must be an integer of 0 or more")


def count_spiking(part: str, graph: SpikingGraph, trace: Trace) -> list[Count]:
    """Exact counts of one run: per layer its synaptic events, then its membrane updates.

    Events of the first layer are "mac" if the graph's input is graded (input_bits > 1), "synaptic_operation" otherwise;
    later layers see binary spikes. GraphError if the trace lacks a layer of the graph.
    """
    counts = []
    operation = "mac" if graph.input_bits > 1 else "synaptic_operation"
    for layer, _, _, _ in graph.neuron_layers():
        events = _recorded(trace.events, layer.name, "synaptic events")
        updates = _recorded(trace.updates, layer.name, "membrane updates")
        counts.append(Count(part, layer.name, operation, int(np.sum(events))))
        counts.append(Count(part, layer.name, "membrane_update", int(updates)))
        operation = "synaptic_operation"
    return counts


def count_conventional(part: str, macs: Mapping[str, int], runs: int) -> list[Count]:
    """MACs of a conventional network that ran `runs` times; `macs` holds the MACs of one run by node name."""
    return [Count(part, node, "mac", count * runs) for node, count in macs.items()]


def dense_spiking(part: str, graph: SpikingGraph, steps: int) -> list[Count]:
    """The dense baseline: MACs of the same layers as an ordinary network, every weight at every place and step.

    Per layer and step Cout * Hout * Wout * Cin/groups * kh * kw (dense: out * in); zeros and padding are multiplied
    too, as a dense implementation does.
    """
    return [
        Count(part, layer.name, "mac", prod(shape) * layer.weight[0].size * steps)
        for layer, _, shape, _ in graph.neuron_layers()
    ]


def add_counts(counts: Iterable[Count]) -> list[Count]:
    """One count per (part, layer, operation), summed over clips and videos, in order of first appearance."""
    totals: dict[tuple[str, str, str], int] = {}
    for count in counts:
        key = (count.part, count.layer, count.operation)
        totals[key] = totals.get(key, 0) + count.count
    return [Count(*key, total) for key, total in totals.items()]


def _recorded(recorded: Mapping[str, T], layer: str, what: str) -> T:
    if layer not in recorded:
        raise GraphError(f"layer {layer}: the trace holds no {what} of it; use the trace of a run of this graph")
    return recorded[layer]
