"""Operations of a spiking graph that ran, and of a conventional network.

Spiking layers are counted by the events that happened: silent inputs and padding edges cost nothing. An event reaches
its synapses before their weights are known, so zero weights count.

Accesses to memory are counted as Lemaire et al. do (An analytical estimation of spiking neural networks energy
efficiency, ICONIP 2022, arXiv 2210.13107), with the events that happened where they have mean rates. A spiking layer:

    activation_read    one per input that is not zero              (eq. 5)
    weight_read        one per event                               (eqs. 7, 8)
    potential_access   a read and a write per event and per update (eqs. 9, 10, 14, 15)
    activation_write   one per spike                               (eq. 13)

A conventional layer, for which they have no reuse between one multiply-accumulate and the next: a weight_read and an
activation_read per MAC (two activation_read where both factors are activations), an activation_write per output
(eqs. 3, 4, 6, 11, 12). Unlike theirs, a conventional weight is also fetched once a run from off the chip, and a bias
and the arithmetic of addresses are left out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil, prod

from hardware.activity import LayerActivity
from hardware.mesh import Traffic
from hardware.operations import Count, Store
from hybridnet.spiking import Layer, Shape, SpikingGraph

WEIGHT_BITS = 8  # of the spiking partition
POTENTIAL_BITS = 24
FLOAT_BITS = 32  # of the conventional one


@dataclass(frozen=True)
class NodeSize:
    """One node of the conventional partition, elements of float32.

    macs       multiply-accumulates of one run
    weights    trained numbers, 0 if both factors are activations
    inputs     activations read; both factors, where both are
    outputs    activations written
    """

    macs: int
    weights: int
    inputs: int
    outputs: int


def count_spiking(part: str, graph: SpikingGraph, activities: Mapping[str, LayerActivity]) -> list[Count]:
    """Operations of the layers of a graph, whose activities are those of `observe`, summed over any number of runs.

    What reaches the first layer is multiplied ("mac") if the graph's input is graded (input_bits > 1); later layers see
    binary spikes. Updates of activities that are not `told` are of no kind.
    """
    counts = []
    graded = graph.input_bits > 1
    for layer, source, shape, _ in graph.neuron_layers():
        activity = activities[layer.name]
        counts += _arithmetic(part, layer, activity, graded)
        value_bits = graph.input_bits if graded else 1
        counts += _accesses(part, layer, source, shape, activity, value_bits)
        graded = False
    return counts


def count_messages(counts: Iterable[Count], traffic: Iterable[Traffic]) -> list[Count]:
    """Messages and hops of the spikes among the counts, by what a mapping makes of a spike of each layer on average.

    What comes from outside is not among them, for it has no place on the mesh.
    """
    spikes = {(count.part, count.layer): count.count for count in counts if count.operation == "spike"}
    found = []
    for sent in traffic:
        share = spikes.get((sent.part, sent.layer), 0) / sent.neurons
        found.append(Count(sent.part, sent.layer, "message", round(share * sent.messages)))
        for kind, hops in (("east_west", sent.hops_x), ("north_south", sent.hops_y)):
            found.append(Count(sent.part, sent.layer, "hop", round(share * (hops or 0)), kind))
    return found


def count_conventional(part: str, nodes: Mapping[str, NodeSize], runs: int) -> list[Count]:
    """Operations of a conventional network that ran `runs` times, by node."""
    counts = []
    for name, node in nodes.items():
        counts.append(Count(part, name, "mac", node.macs * runs))
    for name, node in nodes.items():
        factors = 1 if node.weights else 2
        weights, inputs, outputs = (_floats(n) for n in (node.weights, node.inputs, node.outputs))
        if node.weights:
            counts.append(Count(part, name, "weight_fetch", node.weights * runs, store=weights))
            counts.append(Count(part, name, "weight_read", node.macs * runs, store=weights))
        counts.append(Count(part, name, "activation_read", factors * node.macs * runs, store=inputs))
        counts.append(Count(part, name, "activation_write", node.outputs * runs, store=outputs))
    return counts


def count_bridge(part: str, port: str, shape: Shape, bits: int, runs: int) -> Count:
    """Potentials (C,H,W) of `bits` that are written and read again once a run."""
    elements = prod(shape)
    return Count(part, port, "bridge_access", 2 * elements * runs, store=Store(ceil(elements * bits / 8), bits))


def _arithmetic(part: str, layer: Layer, activity: LayerActivity, graded: bool) -> list[Count]:
    name = layer.name
    if graded:
        counts = [Count(part, name, "mac", activity.events, "int8")]
    else:
        kind = layer.kind if layer.kind in ("conv", "dense") else ""
        counts = [Count(part, name, "synaptic_operation", activity.events, kind)]
    if activity.told is None:
        counts.append(Count(part, name, "membrane_update", activity.updates))
    else:
        counts.append(Count(part, name, "membrane_update", activity.told.active, "active"))
        counts.append(Count(part, name, "membrane_update", activity.updates - activity.told.active, "inactive"))
    if layer.threshold is not None:
        counts.append(Count(part, name, "spike", activity.spikes))
    return counts


def _accesses(
    part: str, layer: Layer, source: Shape, shape: Shape, activity: LayerActivity, value_bits: int
) -> list[Count]:
    arrived = _events_of(source, value_bits)
    weights = Store(layer.weight.size * WEIGHT_BITS // 8, WEIGHT_BITS)
    potentials = Store(prod(shape) * POTENTIAL_BITS // 8, POTENTIAL_BITS)
    reached = 2 * (activity.events + activity.updates)
    counts = [
        Count(part, layer.name, "activation_read", activity.arrivals, store=arrived),
        Count(part, layer.name, "weight_read", activity.events, store=weights),
        Count(part, layer.name, "potential_access", reached, store=potentials),
    ]
    if layer.threshold is not None:
        counts.append(Count(part, layer.name, "activation_write", activity.spikes, store=_events_of(shape, 1)))
    return counts


def _events_of(shape: Shape, value_bits: int) -> Store:
    """A buffer of one step's activity; an event in it is an address, and a value where that has more than one bit."""
    elements = prod(shape)
    address = max(1, (elements - 1).bit_length())
    return Store(ceil(elements * value_bits / 8), address + (value_bits if value_bits > 1 else 0))


def _floats(elements: int) -> Store:
    return Store(elements * FLOAT_BITS // 8, FLOAT_BITS)
