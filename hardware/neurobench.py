"""Counts under NeuroBench's names and definitions (Yik et al., Nature Communications 2025; neurobench 2.3.0).

One sample is one video. Equal to its `SynapticOperations`, `ActivationSparsity` and `MembraneUpdates` on the same
network and input, but for what `docs/neurobench.md` lists and `tests/hardware/test_neurobench.py` holds to account.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from hardware.activity import LayerActivity
from hardware.baselines import dense_spiking
from hardware.counting import NodeSize
from hybridnet.spiking import SpikingGraph


@dataclass(frozen=True)
class NeuroBench:
    """Counts of a sample.

    Effective_MACs       multiplications of an activation and a weight neither of which is zero; all of the conventional
                         partition's, whose activations are not looked at
    Effective_ACs        additions of a weight that is not zero for a binary spike
    Dense                both, zeros included
    ActivationSparsity   share of the spiking neurons' outputs that are zero
    MembraneUpdates      updates of a membrane potential
    """

    Effective_MACs: int
    Effective_ACs: int
    Dense: int
    ActivationSparsity: float
    MembraneUpdates: int

    def to_dict(self) -> dict[str, float]:
        """By NeuroBench's names."""
        return asdict(self)


def neurobench(
    streams: Iterable[tuple[SpikingGraph, Mapping[str, LayerActivity]]], nodes: Mapping[str, NodeSize], runs: int
) -> NeuroBench:
    """Counts of a sample: what the graphs did in it, `runs` times each, and the conventional nodes as often.

    Where a run did not record "counts", synaptic events of weight zero are among its effective operations.
    """
    macs = dense = sum(node.macs for node in nodes.values()) * runs
    adds = spikes = outputs = updates = 0
    for graph, activities in streams:
        graded = graph.input_bits > 1
        for layer, _, _, _ in graph.neuron_layers():
            activity = activities[layer.name]
            effective = activity.told.effective if activity.told else activity.events
            macs, adds = (macs + effective, adds) if graded else (macs, adds + effective)
            graded = False
            updates += activity.updates
            if layer.threshold is not None:
                spikes, outputs = spikes + activity.spikes, outputs + activity.updates
        dense += sum(count.count for count in dense_spiking("", graph, graph.steps * runs) if count.operation == "mac")
    return NeuroBench(macs, adds, dense, 1 - spikes / outputs if outputs else 0.0, updates)
