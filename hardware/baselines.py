"""What spiking is measured against: the layers as a dense convnet, as a ConvLSTM, and the rate where it breaks even."""

from collections.abc import Mapping
from dataclasses import replace
from math import prod

from hardware.activity import LayerActivity
from hardware.counting import POTENTIAL_BITS, WEIGHT_BITS
from hardware.operations import Count, Store
from hybridnet.spiking import Shape, SpikingGraph

GATES = 4  # of an LSTM cell: input, forget, output, candidate


def dense_spiking(part: str, graph: SpikingGraph, steps: int) -> list[Count]:
    """The graph's layers as an ordinary network over `steps` frames: every weight at every place, in int8.

    Per layer and step Cout * Hout * Wout * Cin/groups * kh * kw MACs (dense: out * in); zeros and padding are
    multiplied too, as a dense implementation does. Accesses as `count_conventional`'s, but weights stay on the chip.
    """
    counts = []
    for layer, source, shape, _ in graph.neuron_layers():
        macs = prod(shape) * layer.weight[0].size * steps
        counts += _dense(part, layer.name, macs, layer.weight.size, source, shape, prod(shape) * steps)
    return counts


def convlstm_spiking(part: str, graph: SpikingGraph, steps: int) -> list[Count]:
    """The graph's layers as ConvLSTM cells (Shi et al. 2015, without peepholes) of as many channels, in int8.

    The four gates each convolve the layer's input as the layer does, and the layer's own last output with the same
    kernel at stride 1: 4 * Cout * Hout * Wout * (Cin/groups + Cout) * kh * kw MACs a step, of a dense layer
    4 * out * (in + out).
    The gates' elementwise products are left out. The cell's state is read and written once a step.
    """
    counts = []
    for layer, source, shape, _ in graph.neuron_layers():
        taps = prod(layer.weight.shape[2:])
        weights = GATES * (layer.weight.size + len(layer.weight) ** 2 * taps)
        macs = GATES * prod(shape) * (layer.weight[0].size + len(layer.weight) * taps) * steps
        counts += _dense(part, layer.name, macs, weights, source, shape, prod(shape) * steps)
        state = Store(prod(shape) * POTENTIAL_BITS // 8, POTENTIAL_BITS)
        counts.append(Count(part, layer.name, "potential_access", 2 * prod(shape) * steps, store=state))
    return counts


def silence(graph: SpikingGraph, activities: Mapping[str, LayerActivity]) -> dict[str, LayerActivity]:
    """The same activity without a spike: what reaches a graded first layer, and all updates, stay."""
    silent, driven = {}, graph.input_bits == 1
    for layer, _, _, _ in graph.neuron_layers():
        activity = activities[layer.name]
        told = activity.told and replace(activity.told, **({"effective": 0} if driven else {}))
        none = {"arrivals": 0, "events": 0} if driven else {}
        silent[layer.name] = replace(activity, spikes=0, told=told, **none)
        driven = True
    return silent


def break_even_rate(rate: float, spiking: float, silent: float, dense: float) -> float | None:
    """Spikes per neuron and step at which the spiking layers would cost what the dense ones do, all else as it was.

        rate * (dense - silent) / (spiking - silent)

    rate      that of the run
    spiking   joules of the run's spiking layers
    silent    joules of `silence` of it
    dense     joules of `dense_spiking`

    For what spikes drive costs in proportion to them. 0 if even the silent layers cost more, None if spikes cost
    nothing or there were none. Above 1 the layers are cheaper whatever they do. (Dampfhoffer et al., Are SNNs really
    more energy-efficient than ANNs?, IEEE TETCI 2022, and Yan et al., arXiv 2409.08290, solve theirs for this rate.)
    """
    if spiking <= silent:
        return None
    return max(0.0, rate * (dense - silent) / (spiking - silent))


def _dense(part: str, layer: str, macs: int, weights: int, source: Shape, shape: Shape, outputs: int) -> list[Count]:
    return [
        Count(part, layer, "mac", macs, "int8"),
        Count(part, layer, "weight_read", macs, store=_bytes(weights)),
        Count(part, layer, "activation_read", macs, store=_bytes(prod(source))),
        Count(part, layer, "activation_write", outputs, store=_bytes(prod(shape))),
    ]


def _bytes(elements: int) -> Store:
    return Store(elements * WEIGHT_BITS // 8, WEIGHT_BITS)
