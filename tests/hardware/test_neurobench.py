"""Counts under NeuroBench's names against its definition, in loops; `make neurobench` runs NeuroBench itself."""

from itertools import product

import numpy as np
import pytest

from hardware import NodeSize, neurobench, observe
from hybridnet.spiking import Layer, SpikingGraph
from simulators import simulate

STEPS = 3


def weights(*shape: int) -> np.ndarray:
    generator = np.random.default_rng(2)
    return 2 * generator.integers(-4, 5, shape) * (generator.random(shape) < 0.7)


@pytest.fixture(scope="module")
def graph() -> SpikingGraph:
    """Graded input, padded conv of stride 2, conv, dense readout."""
    return SpikingGraph(
        layers=(
            Layer("first", "conv", weights(3, 2, 3, 3), (2, 2), (1, 1), decay_v=900, threshold=40),
            Layer("second", "conv", weights(4, 3, 2, 2), threshold=3),
            Layer("flat", "flatten"),
            Layer("readout", "dense", weights(5, 4 * 3 * 3)),
        ),
        input_shape=(2, 8, 8),
        input_bits=8,
        steps=STEPS,
    )


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    generator = np.random.default_rng(4)
    return generator.integers(-9, 10, (STEPS, 2, 8, 8)) * (generator.random((STEPS, 2, 8, 8)) < 0.4)


def operations(layer: Layer, frame: np.ndarray, *, dense: bool) -> int:
    """NeuroBench's way: the layer on ones for what is not zero (dense: on ones), its bias and its padding zero."""
    weight = np.ones_like(layer.weight) if dense else (layer.weight != 0).astype(int)
    x = np.ones_like(frame, dtype=int) if dense else (frame != 0).astype(int)
    if layer.kind == "dense":
        return int((weight @ x.ravel()).sum())
    padded = np.pad(x, [(0, 0), *((p, p) for p in layer.padding)])
    found = 0
    rows = range(0, padded.shape[1] - weight.shape[2] + 1, layer.stride[0])
    columns = range(0, padded.shape[2] - weight.shape[3] + 1, layer.stride[1])
    for y, z in product(rows, columns):
        found += int((weight * padded[:, y : y + weight.shape[2], z : z + weight.shape[3]]).sum())
    return found


def padded_products(layer: Layer, source: tuple[int, ...], shape: tuple[int, ...]) -> int:
    """Taps of a dense pass that fall on padding."""
    found = 0
    for y, x in product(range(shape[1]), range(shape[2])):
        for dy, dx in product(*map(range, layer.weight.shape[2:])):
            row, column = y * layer.stride[0] + dy - layer.padding[0], x * layer.stride[1] + dx - layer.padding[1]
            inside = 0 <= row < source[1] and 0 <= column < source[2]
            found += 0 if inside else layer.weight.shape[0] * layer.weight.shape[1]
    return found


def test_counts_are_neurobenchs_up_to_what_is_listed(graph, frames):
    trace = simulate(graph, frames, record=("spikes", "counts"))
    found = neurobench([(graph, observe(graph, trace))], {}, runs=1)
    layers = list(graph.neuron_layers())
    inputs = [frames, trace.spikes["first"], trace.spikes["second"]]
    effective, dense = (
        [
            sum(operations(layer, frame, dense=zeros_too) for frame in x)
            for (layer, *_), x in zip(layers, inputs, strict=True)
        ]
        for zeros_too in (False, True)
    )
    assert found.Effective_MACs == effective[0]
    assert found.Effective_ACs == sum(effective[1:]) > 0
    padding = STEPS * sum(padded_products(*layer[:3]) for layer in layers if layer[0].kind == "conv")
    assert padding > 0
    assert found.Dense == sum(dense) + padding
    outputs = np.concatenate([trace.spikes[name].ravel() for name in ("first", "second")])
    assert found.ActivationSparsity == pytest.approx(1 - np.count_nonzero(outputs) / outputs.size)
    assert found.MembraneUpdates == STEPS * (3 * 4 * 4 + 4 * 3 * 3 + 5)


def test_a_run_that_told_less_has_an_upper_bound(graph, frames):
    told, plain = (
        neurobench([(graph, observe(graph, simulate(graph, frames, record=record)))], {}, runs=1)
        for record in (("counts",), ())
    )
    assert told.Effective_MACs < plain.Effective_MACs
    assert told.Effective_ACs < plain.Effective_ACs
    assert told.Dense == plain.Dense


def test_the_conventional_partitions_macs_are_all_counted(graph, frames):
    """Attention's products among them, which NeuroBench does not see; 100 MACs in each of 2 runs."""
    seen = observe(graph, simulate(graph, frames, record=("counts",)))
    alone, both = (
        neurobench([(graph, seen)], nodes, runs=2) for nodes in ({}, {"attention": NodeSize(100, 0, 20, 25)})
    )
    assert both.Effective_MACs - alone.Effective_MACs == 200
    assert both.Dense - alone.Dense == 200
