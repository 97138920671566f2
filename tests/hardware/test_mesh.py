"""Cores on the mesh, and the messages between them, counted by hand and by a naive walk over every synapse."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from hardware import Target, load_target, map_graphs
from hardware.mesh import places
from hybridnet.spiking import Layer, SpikingGraph


def tiny_mesh(**values: int) -> Target:
    """Loihi 1 with chips of 2 x 2 tiles of 2 cores, and what else is said."""
    target = load_target("loihi1")
    values = {"mesh_columns": 2, "mesh_rows": 2, "tile_cores": 2, "cores": 8, **values}
    changed = {name: replace(target.limits[name], value=value) for name, value in values.items()}
    return replace(target, limits={**target.limits, **changed})


def test_cores_go_to_and_fro_and_on_to_the_next_chip() -> None:
    chip, x, y = places(0, 10, tiny_mesh())
    assert chip.tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 1, 1]
    assert x.tolist() == [0, 0, 1, 1, 1, 1, 0, 0, 2, 2]
    assert y.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 0, 0]


def pair(first: Layer, second: Layer, shape: tuple[int, int, int]) -> SpikingGraph:
    return SpikingGraph((first, second), shape, 1, 3)


def test_a_line_of_neurons_on_a_row_of_tiles() -> None:
    """4 columns a neuron each, one a core, to 4 more, taps 1: core n sends to core n + 4, all on a row of 8 tiles."""
    one = Layer("one", "conv", np.full((1, 1, 1, 1), 2), threshold=5)
    two = Layer("two", "conv", np.full((1, 1, 1, 1), 2))
    target = tiny_mesh(neurons_per_core=1, mesh_columns=8, mesh_rows=1, tile_cores=1)
    first, last = map_graphs({"m": pair(one, two, (1, 1, 4))}, target).traffic
    assert (first.neurons, first.messages, first.hops_x, first.hops_y, first.crossings) == (4, 4, 16, 0, 0)
    assert (last.messages, last.hops_x, last.hops_y, last.crossings) == (0, 0, 0, 0)


@pytest.mark.parametrize(("stride", "dilation", "groups"), [(1, 1, 1), (2, 1, 1), (1, 2, 1), (2, 2, 2)])
@pytest.mark.parametrize("neurons", [4, 12, 1000])
def test_messages_are_those_of_a_walk_over_every_synapse(stride: int, dilation: int, groups: int, neurons: int) -> None:
    one = Layer("one", "conv", np.full((4, 1, 3, 3), 2), padding=(1, 1), threshold=5)
    two = Layer(
        "two", "conv", np.full((2, 4 // groups, 3, 3), 2), stride=(stride, stride), padding=(1, 1),
        dilation=(dilation, dilation), groups=groups,
    )  # fmt: skip
    target = tiny_mesh(neurons_per_core=neurons)
    mapping = map_graphs({"m": pair(one, two, (1, 5, 6))}, target)
    first, second = mapping.layers
    home = {layer.name: _home(layer) for layer in mapping.layers}
    told = set()
    channels, height, width = second.fit.cores.wiring.outputs
    for c, y, x, i, j, k in product(range(channels), range(height), range(width), range(3), range(3), range(4)):
        row, column = y * stride - 1 + i * dilation, x * stride - 1 + j * dilation
        if 0 <= row < 5 and 0 <= column < 6 and c // (channels // groups) == k // (4 // groups):
            told.add(((k, row, column), home["two"][c, y, x]))
    hops = np.zeros(3, int)
    where = list(zip(*places(0, mapping.cores, target), strict=True))
    for neuron, core in told:
        hops += [abs(a - b) for a, b in zip(where[home["one"][neuron]], where[core], strict=True)]
    traffic = first.traffic
    assert traffic.messages == len(told)
    assert [traffic.crossings, traffic.hops_x, traffic.hops_y] == hops.tolist()


def _home(layer) -> dict[tuple[int, int, int], int]:
    """Core of every neuron: boxes column by column, then row by row, then by channel."""
    channels, height, width = layer.fit.cores.wiring.outputs
    c, y, x = layer.fit.cores.tiling.box
    boxes = {}
    for k, row, column in product(range(channels), range(height), range(width)):
        boxes[k, row, column] = (column // x, row // y, k // c)
    order = {box: layer.first + number for number, box in enumerate(sorted(set(boxes.values())))}
    return {neuron: order[box] for neuron, box in boxes.items()}


def test_an_input_tells_every_core_that_reads_it() -> None:
    """8 columns of 2 channels, cut in 4 boxes of 2 columns, taps 3: 2 columns are read by one box, 6 by two."""
    layer = Layer("only", "conv", np.full((1, 2, 1, 3), 2), padding=(0, 1), threshold=5)
    graph = SpikingGraph((layer,), (2, 1, 8), 1, 3)
    (found,) = map_graphs({"m": graph}, tiny_mesh(neurons_per_core=2)).inputs
    assert (found.layer, found.neurons, found.messages, found.hops_x) == ("input", 16, 2 * (2 + 6 * 2), None)


def test_every_neuron_tells_every_core_of_a_dense_layer() -> None:
    one = Layer("one", "conv", np.full((1, 1, 1, 1), 2), threshold=5)
    two = Layer("two", "dense", np.full((4, 4), 2))
    graph = SpikingGraph((one, Layer("flat", "flatten"), two), (1, 2, 2), 1, 3)
    mapping = map_graphs({"m": graph}, tiny_mesh(neurons_per_core=2))
    assert [layer.fit.cores.number for layer in mapping.layers] == [2, 2]
    first = mapping.traffic[0]
    # Cores 0 and 1 are a tile, 2 and 3 the one beside it: each of 4 neurons sends 2 messages, one tile far each.
    assert (first.messages, first.hops_x, first.hops_y) == (8, 8, 0)
