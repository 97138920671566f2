"""Small graphs and traces made by hand."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from hybridnet.spiking import Layer, SpikingGraph
from hybridnet.trace import Trace


@pytest.fixture
def dense_graph() -> Callable[..., SpikingGraph]:
    """Build a graph of one dense layer named "only": dense_graph(weight, input_bits=1, steps=1, **fields of Layer)."""

    def build(weight: Any, input_bits: int = 1, steps: int = 1, **fields: Any) -> SpikingGraph:
        weights = np.array(weight)
        layer = Layer("only", "dense", weights, **fields)
        return SpikingGraph((layer,), (weights.shape[1],), input_bits, steps)

    return build


@pytest.fixture
def conv_graph() -> SpikingGraph:
    """Graded (2,4,4) -> spiking conv 3x3, padding 1 -> (3,4,4) -> flatten -> dense readout of 5; 2 steps."""
    return SpikingGraph(
        layers=(
            Layer("conv", "conv", np.full((3, 2, 3, 3), 2), padding=(1, 1), threshold=10),
            Layer("flat", "flatten"),
            Layer("readout", "dense", np.full((5, 48), 2)),
        ),
        input_shape=(2, 4, 4),
        input_bits=8,
        steps=2,
    )


@pytest.fixture
def make_trace() -> Callable[..., Trace]:
    """Build a trace that holds counts only: make_trace(events=..., updates=..., spike_counts=..., inputs=...)."""

    def build(
        events: Mapping[str, list[int]],
        updates: Mapping[str, int],
        spike_counts: Mapping[str, list[int]],
        inputs: list[int],
    ) -> Trace:
        return Trace(
            backend="integer",
            potential=np.zeros(5, np.int32),
            spikes={},
            v={},
            spike_counts={name: np.array(counts, np.int64) for name, counts in spike_counts.items()},
            events={name: np.array(counts, np.int64) for name, counts in events.items()},
            updates=updates,
            overflow_counts={},
            inputs=np.array(inputs, np.int64),
        )

    return build
