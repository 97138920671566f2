"""A spiking graph as the network file of SANA-FE, with the spikes that drive it (sanafe 2.2.9, its YAML format).

SANA-FE simulates binary spikes and real potentials. A layer is a group of leaky_integrate_fire neurons, whose potential
is v / 64, and a list of its synapses, zero weights among them. The input is a group of `input` neurons that replay
spikes; of a graph with graded input they are what its first layer sent. A layer answers a step after the one before.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np

from hybridnet.errors import GraphError
from hybridnet.spiking import DECAY_UNITY, Layer, Shape, SpikingGraph

SYNAPSES = 300_000  # that a file lists at most; one takes about 20 bytes, and SANA-FE a kilobyte
INPUT = "input"
CORE_NEURONS, TILE_CORES, CORES = 1024, 4, 128  # of the chip in sanafe's own examples/loihi.yaml
NEVER = 1e9  # a threshold above every potential


def behind_first(graph: SpikingGraph) -> SpikingGraph:
    """The graph without its first layer, which sends it binary spikes; GraphError if nothing is behind."""
    if len(graph.layers) < 2 or graph.layers[0].kind == "flatten":
        raise GraphError("graph: has no layer behind its graded input, so nothing that SANA-FE can run; leave it out")
    return SpikingGraph(graph.layers[1:], graph.shapes[0], 1, graph.steps)


def sanafe_network(name: str, graph: SpikingGraph, spikes: np.ndarray) -> str:
    """The file's text: the graph, driven by `spikes`, bool (T,C,H,W) or (T,N); it runs T + layers steps.

    GraphError for graded input, for what SANA-FE's neurons do not have (reset by subtraction, current memory, bias,
    delays), and for more synapses or neurons than a small network has; it names layer, value and limit.
    """
    if graph.input_bits > 1:
        raise GraphError(f"{name}: input of {graph.input_bits} bits is graded, and SANA-FE's spikes are not")
    layers = list(graph.neuron_layers())
    for layer, *_ in layers:
        _check(name, layer)
    neurons = [int(np.prod(graph.input_shape)), *(int(np.prod(shape)) for _, _, shape, _ in layers)]
    if sum(-(-count // CORE_NEURONS) for count in neurons) > CORES:
        limit = CORES * CORE_NEURONS
        raise GraphError(
            f"{name}: {sum(neurons):,} neurons do not fit SANA-FE's Loihi of {limit:,}; export a smaller model"
        )
    synapses = [list(_synapses(layer, source, shape)) for layer, source, shape, _ in layers]
    names = [INPUT, *(layer.name for layer, *_ in layers)]
    lines = [
        "network:",
        f"  name: {name}",
        "  groups:",
        f"    - name: {INPUT}",
        "      attributes: []",
        "      neurons:",
    ]
    for index, train in enumerate(spikes.reshape(len(spikes), -1).T.astype(int)):
        lines.append(f"        - {index}: [spikes: {train.tolist()}]")
    for (layer, *_), count in zip(layers, neurons[1:], strict=True):
        lines += [f"    - name: {layer.name}", f"      attributes: [{_attributes(layer)}]", "      neurons:"]
        lines.append(f"        - 0..{count - 1}: []" if count > 1 else "        - 0: []")
    lines.append("  edges:")
    for source, target, edges in zip(names, names[1:], synapses, strict=False):
        pairs = ", ".join(f"[{a}, {b}]" for a, b, _ in edges)
        lines.append(f"    - {source} -> {target}:")
        lines += ["        type: sparse", f"        source_target_pairs: [{pairs}]"]
        lines.append(f"        weight: [{', '.join(str(w) for _, _, w in edges)}]")
    return "\n".join([*lines, "mappings:", *_mappings(names, neurons), ""])


def check_size(name: str, graph: SpikingGraph) -> None:
    """GraphError if the graph has more synapses than a file lists."""
    found = sum(int(np.prod(shape)) * layer.weight[0].size for layer, _, shape, _ in graph.neuron_layers())
    if found > SYNAPSES:
        raise GraphError(
            f"{name}: {found:,} synapses are over the limit of {SYNAPSES:,} of a SANA-FE file; export a smaller model"
        )


def _check(name: str, layer: Layer) -> None:
    for what, there in (
        ("reset by subtraction", layer.reset != "zero"),
        ("a current that decays", layer.decay_u != DECAY_UNITY),
        ("a bias", layer.bias is not None and bool(layer.bias.any())),
        ("a delay", layer.delay is not None),
        ("no synapses", layer.kind == "input"),
    ):
        if there:
            raise GraphError(
                f"{name}/{layer.name}: has {what}, which is not exported to SANA-FE; leave it out of --also"
            )


def _attributes(layer: Layer) -> str:
    threshold = NEVER if layer.threshold is None else float(layer.threshold)
    kind = "conv" if layer.kind == "conv" else "dense"
    return (
        f"soma_hw_name: loihi_lif, synapse_hw_name: loihi_{kind}_synapse, threshold: {threshold}, "
        f"leak_decay: {(DECAY_UNITY - layer.decay_v) / DECAY_UNITY}, reset: 0.0, reset_mode: hard"
    )


def _mappings(names: list[str], neurons: list[int]) -> Iterator[str]:
    """Every group on cores of its own, as many neurons to each as it holds."""
    core = 0
    for name, count in zip(names, neurons, strict=True):
        for first in range(0, count, CORE_NEURONS):
            place = f"{core // TILE_CORES}.{core % TILE_CORES}"
            last = min(first + CORE_NEURONS, count) - 1
            if name == INPUT:
                for index in range(first, last + 1):
                    yield f'  - {name}.{index}: [core: {place}, soma: "loihi_inputs[{index - first}]"]'
            else:
                yield (
                    f"  - {name}.{first}..{last}: [core: {place}]"
                    if last > first
                    else f"  - {name}.{first}: [core: {place}]"
                )
            core += 1


def _synapses(layer: Layer, source: Shape, shape: Shape) -> Iterator[tuple[int, int, int]]:
    """(input, output, weight), flat in CHW order."""
    if layer.kind == "dense":
        yield from ((i, o, int(layer.weight[o, i])) for o, i in product(*map(range, layer.weight.shape)))
        return
    share = len(layer.weight) // layer.groups
    for o, y, x in product(*map(range, shape)):
        for c, dy, dx in product(*map(range, layer.weight.shape[1:])):
            row = y * layer.stride[0] + dy * layer.dilation[0] - layer.padding[0]
            column = x * layer.stride[1] + dx * layer.dilation[1] - layer.padding[1]
            if 0 <= row < source[1] and 0 <= column < source[2]:
                channel = o // share * layer.weight.shape[1] + c
                yield (
                    (channel * source[1] + row) * source[2] + column,
                    (o * shape[1] + y) * shape[2] + x,
                    int(layer.weight[o, c, dy, dx]),
                )
