"""Operations of a run, and of a conventional network, against counts by hand and a naive loop."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from hardware import (
    Count,
    NodeSize,
    Store,
    Traffic,
    count_bridge,
    count_conventional,
    count_messages,
    count_spiking,
    observe,
    sum_activities,
)
from hybridnet.errors import GraphError


def naive_events(frame: np.ndarray, cout: int, kernel: int, padding: int) -> int:
    """Synapses that the non-zero elements of one (C,H,W) frame reach in a stride-1 convolution."""
    _, height, width = frame.shape
    out_height, out_width = height + 2 * padding - kernel + 1, width + 2 * padding - kernel + 1
    events = 0
    for _, y, x in np.argwhere(frame):
        for dy, dx in product(range(kernel), repeat=2):
            if 0 <= y + padding - dy < out_height and 0 <= x + padding - dx < out_width:
                events += cout
    return events


@pytest.fixture
def run(make_trace):
    """conv of a full frame, then of a lone corner: 33 inputs. It spikes 7 and 1 times, each reaching 5 neurons."""
    frames = np.zeros((2, 2, 4, 4), int)
    frames[0] = -3
    frames[1, 0, 0, 0] = 1
    trace = make_trace(
        events={"conv": [naive_events(frame, cout=3, kernel=3, padding=1) for frame in frames], "readout": [35, 5]},
        updates={"conv": 48 * 2, "readout": 5 * 2},
        spike_counts={"conv": [7, 1], "readout": [0, 0]},
        inputs=[32, 1],
    )
    return trace, replace(
        trace,
        active_counts={"conv": np.array([48, 20]), "readout": np.array([5, 4])},
        effective={"conv": np.array([600, 12]), "readout": np.array([30, 5])},
    )


# Inputs are 8-bit values at one of 32 places: 5 + 8 bits. Spikes are at one of 48: 6 bits, a buffer of 48 bits.
# 54 weights of the conv, 240 of the readout, a byte each; potentials take 3 bytes. Each event and each update reads
# and writes one: 2 * (612 + 96) and 2 * (40 + 10).
CONV_ACCESSES = (
    Count("motion", "conv", "activation_read", 33, store=Store(32, 13)),
    Count("motion", "conv", "weight_read", 612, store=Store(54, 8)),
    Count("motion", "conv", "potential_access", 1416, store=Store(144, 24)),
    Count("motion", "conv", "activation_write", 8, store=Store(6, 6)),
)
READOUT_ACCESSES = (
    Count("motion", "readout", "activation_read", 8, store=Store(6, 6)),
    Count("motion", "readout", "weight_read", 40, store=Store(240, 8)),
    Count("motion", "readout", "potential_access", 100, store=Store(15, 24)),
)


def test_counts_of_one_run(conv_graph, run):
    """A full frame: 16 * 9 taps less the padding's 44 = 100, times 2 channels in and 3 out; a lone corner: 4 * 3."""
    plain, _ = run
    assert count_spiking("motion", conv_graph, observe(conv_graph, plain)) == [
        Count("motion", "conv", "mac", 612, "int8"),
        Count("motion", "conv", "membrane_update", 96),
        Count("motion", "conv", "spike", 8),
        *CONV_ACCESSES,
        Count("motion", "readout", "synaptic_operation", 40, "dense"),
        Count("motion", "readout", "membrane_update", 10),
        *READOUT_ACCESSES,
    ]


def test_counts_of_a_run_that_told_more(conv_graph, run):
    _, told = run
    assert count_spiking("motion", conv_graph, observe(conv_graph, told)) == [
        Count("motion", "conv", "mac", 612, "int8"),
        Count("motion", "conv", "membrane_update", 68, "active"),
        Count("motion", "conv", "membrane_update", 28, "inactive"),
        Count("motion", "conv", "spike", 8),
        *CONV_ACCESSES,
        Count("motion", "readout", "synaptic_operation", 40, "dense"),
        Count("motion", "readout", "membrane_update", 9, "active"),
        Count("motion", "readout", "membrane_update", 1, "inactive"),
        *READOUT_ACCESSES,
    ]


def test_messages_and_hops_are_those_of_the_mapping(conv_graph, run):
    """Of 48 neurons that would send 72 messages over 108 and 36 hops, if each spiked once, 8 spikes were sent."""
    plain, _ = run
    counts = count_spiking("motion", conv_graph, observe(conv_graph, plain))
    traffic = [Traffic("motion", "conv", 48, 72, 108, 36, 0), Traffic("motion", "readout", 5, 5, 0, 0, 0)]
    assert count_messages(counts, traffic) == [
        Count("motion", "conv", "message", 12),
        Count("motion", "conv", "hop", 18, "east_west"),
        Count("motion", "conv", "hop", 6, "north_south"),
        Count("motion", "readout", "message", 0),
        Count("motion", "readout", "hop", 0, "east_west"),
        Count("motion", "readout", "hop", 0, "north_south"),
    ]


def test_binary_input_is_accumulated_not_multiplied(conv_graph, make_trace):
    trace = make_trace(
        events={"conv": [3, 0], "readout": [0, 0]},
        updates={"conv": 96, "readout": 10},
        spike_counts={"conv": [0, 0], "readout": [0, 0]},
        inputs=[1, 0],
    )
    binary = replace(conv_graph, input_bits=1)
    first = count_spiking("motion", binary, observe(binary, trace))[0]
    assert first == Count("motion", "conv", "synaptic_operation", 3, "conv")


def test_activities_of_runs_add_up(conv_graph, run):
    plain, told = run
    seen = observe(conv_graph, told)
    twice = sum_activities([seen, seen])["conv"]
    assert (twice.arrivals, twice.events, twice.updates, twice.spikes) == (66, 1224, 192, 16)
    assert (twice.told.active, twice.told.effective) == (136, 1224)
    assert sum_activities([seen, observe(conv_graph, plain)])["conv"].told is None
    assert sum_activities([]) == {}


@pytest.mark.parametrize(
    ("part", "layer", "value", "message"),
    [
        ("events", "readout", None, "layer readout: the trace holds no events of it"),
        ("updates", "readout", None, "layer readout: the trace holds no updates of it"),
        ("spike_counts", "conv", None, "layer conv: the trace holds no spikes of it"),
        ("updates", "conv", 90, "layer conv: the trace has 90 updates, 48 neurons in 2 steps make 96"),
        (
            "spike_counts",
            "conv",
            np.array([49, 0]),
            "layer conv: the trace has 49 spikes in a step, there are 48 neurons",
        ),
        ("events", "readout", np.array([241, 0]), "layer readout: the trace has 241 events in a step, more than"),
    ],
)
def test_a_trace_of_another_graph_is_refused(conv_graph, run, part, layer, value, message):
    plain, _ = run
    recorded = dict(getattr(plain, part))
    if value is None:
        recorded.pop(layer)
    else:
        recorded[layer] = value
    with pytest.raises(GraphError, match=f"{message}.*; use the trace of a run of this graph"):
        observe(conv_graph, replace(plain, **{part: recorded}))


def test_conventional_counts():
    """A layer of 10 weights and a product of activations, 8 runs; float32 takes 4 bytes."""
    nodes = {"head": NodeSize(100, 10, 20, 5), "attention": NodeSize(60, 0, 16, 6)}
    assert count_conventional("conventional", nodes, runs=8) == [
        Count("conventional", "head", "mac", 800),
        Count("conventional", "attention", "mac", 480),
        Count("conventional", "head", "weight_fetch", 80, store=Store(40, 32)),
        Count("conventional", "head", "weight_read", 800, store=Store(40, 32)),
        Count("conventional", "head", "activation_read", 800, store=Store(80, 32)),
        Count("conventional", "head", "activation_write", 40, store=Store(20, 32)),
        Count("conventional", "attention", "activation_read", 960, store=Store(64, 32)),
        Count("conventional", "attention", "activation_write", 48, store=Store(24, 32)),
    ]


def test_the_bridge_writes_and_reads_every_potential_once_a_run():
    assert count_bridge("bridge", "motion", (3, 4, 4), 24, runs=5) == Count(
        "bridge", "motion", "bridge_access", 480, store=Store(144, 24)
    )
