"""What a run tells the ledger, against loops over the recorded spikes and potentials."""

from itertools import product

import numpy as np
import pytest

from hybridnet.errors import GraphError
from hybridnet.spiking import Layer, SpikingGraph
from simulators import simulate


def weights(shape: tuple[int, ...]) -> np.ndarray:
    """Even weights, a third of them zero."""
    generator = np.random.default_rng(3)
    return generator.integers(-3, 4, shape) * 2 * (generator.random(shape) < 2 / 3)


@pytest.fixture(scope="module")
def graph() -> SpikingGraph:
    """Strided and padded conv, grouped and dilated conv, dense behind a flatten; graded input, 4 steps."""
    return SpikingGraph(
        layers=(
            Layer("first", "conv", weights((4, 2, 3, 3)), (2, 1), (1, 1), decay_v=900, threshold=6),
            Layer("second", "conv", weights((6, 2, 3, 2)), (1, 1), (2, 0), (2, 1), 2, threshold=3, reset="subtract"),
            Layer("flat", "flatten"),
            Layer("readout", "dense", weights((5, 6 * 4 * 7))),
        ),
        input_shape=(2, 8, 8),
        input_bits=8,
        steps=4,
    )


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    generator = np.random.default_rng(5)
    return generator.integers(-9, 10, (4, 2, 8, 8)) * (generator.random((4, 2, 8, 8)) < 0.3)


def effective_events(layer: Layer, frame: np.ndarray, shape: tuple[int, ...]) -> int:
    """Every output, every tap: a weight that is not zero on an input that is not zero."""
    if layer.kind == "dense":
        return sum(int(w != 0 and x != 0) for row in layer.weight for w, x in zip(row, frame.ravel(), strict=True))
    _, height, width = frame.shape
    fan_in = layer.weight.shape[1]
    found = 0
    for o, y, x in product(*map(range, shape)):
        first = o // (len(layer.weight) // layer.groups) * fan_in
        for c, dy, dx in product(*map(range, layer.weight.shape[1:])):
            row = y * layer.stride[0] + dy * layer.dilation[0] - layer.padding[0]
            column = x * layer.stride[1] + dx * layer.dilation[1] - layer.padding[1]
            if 0 <= row < height and 0 <= column < width:
                found += int(layer.weight[o, c, dy, dx] != 0 and frame[first + c, row, column] != 0)
    return found


def test_counts_equal_loops(graph, frames):
    trace = simulate(graph, frames, record=("spikes", "v", "counts"))
    np.testing.assert_array_equal(trace.inputs, [np.count_nonzero(frame) for frame in frames])
    sources = [frames, trace.spikes["first"], trace.spikes["second"]]
    for (layer, _, shape, _), source in zip(graph.neuron_layers(), sources, strict=True):
        wanted = [effective_events(layer, frame, shape) for frame in source]
        np.testing.assert_array_equal(trace.effective[layer.name], wanted)
        assert (trace.effective[layer.name] <= trace.events[layer.name]).all()
        busy = (trace.v[layer.name] != 0) | trace.spikes[layer.name]
        np.testing.assert_array_equal(trace.active_counts[layer.name], busy.reshape(4, -1).sum(axis=1))
    assert trace.spike_counts["second"].sum() > 0


def test_counts_are_only_told_when_asked_for(graph, frames):
    trace = simulate(graph, frames)
    assert (trace.active_counts, trace.effective) == ({}, {})
    np.testing.assert_array_equal(trace.inputs, [np.count_nonzero(frame) for frame in frames])


def test_lava_is_not_asked_for_them(graph, frames):
    with pytest.raises(GraphError, match="backend 'lava' does not tell 'counts'; use backend='integer'"):
        simulate(graph, frames, backend="lava", record=("counts",))
