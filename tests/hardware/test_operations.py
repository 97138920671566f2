"""Operation counts against counts by hand and naive loops."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from hardware import Count, add_counts, count_conventional, count_spiking, dense_spiking
from hybridnet.errors import GraphError, TargetError
from hybridnet.spiking import Layer, SpikingGraph


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


def test_counts_of_one_run(conv_graph, make_trace):
    """A full frame: 16 * 9 taps less the padding's 44 = 100, times 2 channels in and 3 out; a lone corner: 4 * 3.

    The conv layer spikes 7 and 1 times, each spike reaching 5 readout neurons.
    """
    frames = np.zeros((2, 2, 4, 4), int)
    frames[0] = -3
    frames[1, 0, 0, 0] = 1
    conv_events = [naive_events(frame, cout=3, kernel=3, padding=1) for frame in frames]
    assert conv_events == [600, 12]
    trace = make_trace(
        events={"conv": conv_events, "readout": [7 * 5, 1 * 5]},
        updates={"conv": 48 * 2, "readout": 5 * 2},
        spike_counts={"conv": [7, 1], "readout": [0, 0]},
    )
    assert count_spiking("motion", conv_graph, trace) == [
        Count("motion", "conv", "mac", 612),
        Count("motion", "conv", "membrane_update", 96),
        Count("motion", "readout", "synaptic_operation", 40),
        Count("motion", "readout", "membrane_update", 10),
    ]


def test_binary_input_is_accumulated_not_multiplied(conv_graph, make_trace):
    trace = make_trace(
        events={"conv": [3, 0], "readout": [0, 0]},
        updates={"conv": 96, "readout": 10},
        spike_counts={"conv": [0, 0], "readout": [0, 0]},
    )
    first = count_spiking("motion", replace(conv_graph, input_bits=1), trace)[0]
    assert first == Count("motion", "conv", "synaptic_operation", 3)


def test_counts_are_plain_integers_without_overflow(conv_graph, make_trace):
    trace = make_trace(
        events={"conv": [2**40, 1], "readout": [0, 0]},
        updates={"conv": 96, "readout": 10},
        spike_counts={"conv": [0, 0], "readout": [0, 0]},
    )
    count = count_spiking("motion", conv_graph, trace)[0].count
    assert type(count) is int
    assert count == 2**40 + 1


@pytest.mark.parametrize("lost", ["events", "updates"])
def test_a_trace_of_another_graph_is_refused(conv_graph, make_trace, lost):
    parts: dict[str, dict] = {
        "events": {"conv": [1, 1], "readout": [1, 1]},
        "updates": {"conv": 96, "readout": 10},
        "spike_counts": {"conv": [1, 1], "readout": [0, 0]},
    }
    parts[lost].pop("readout")
    with pytest.raises(GraphError, match="layer readout: the trace holds no"):
        count_spiking("motion", conv_graph, make_trace(**parts))


def test_the_dense_baseline_equals_a_naive_convolution():
    """Grouped, strided, padded, dilated: one multiply-accumulate per tap, padding included."""
    layer = Layer("conv", "conv", np.ones((4, 2, 3, 2), int), (2, 1), (1, 2), (1, 2), groups=2, threshold=3)
    graph = SpikingGraph((layer,), (4, 6, 5), input_bits=8, steps=3)
    padded = np.zeros((4, 6 + 2 * 1, 5 + 2 * 2))
    macs = 0
    for _ in range(4):
        for y, x in product(range(0, padded.shape[1], 2), range(padded.shape[2])):
            taps = padded[:2, y : y + 3, x : x + 3 : 2]
            if taps.shape == (2, 3, 2):  # the window lies inside
                macs += taps.size
    assert dense_spiking("motion", graph, steps=3) == [Count("motion", "conv", "mac", 3 * macs)]


def test_the_dense_baseline_of_a_chain(conv_graph):
    """conv 3 * 4 * 4 places x 2 * 3 * 3 weights, readout 5 x 48, over 2 steps; a flatten computes nothing."""
    assert dense_spiking("motion", conv_graph, steps=2) == [
        Count("motion", "conv", "mac", 2 * 48 * 18),
        Count("motion", "readout", "mac", 2 * 240),
    ]


def test_conventional_counts():
    assert count_conventional("conventional", {"patch": 100, "head": 7}, runs=8) == [
        Count("conventional", "patch", "mac", 800),
        Count("conventional", "head", "mac", 56),
    ]


def test_counts_add_up_per_part_layer_and_operation():
    counts = [
        Count("motion", "conv", "mac", 1),
        Count("residual", "conv", "mac", 10),
        Count("motion", "conv", "membrane_update", 100),
        Count("motion", "conv", "mac", 1000),
    ]
    assert add_counts(iter(counts)) == [
        Count("motion", "conv", "mac", 1001),
        Count("residual", "conv", "mac", 10),
        Count("motion", "conv", "membrane_update", 100),
    ]
    assert add_counts([]) == []


def test_a_count_checks_itself():
    with pytest.raises(TargetError, match="motion/conv: operation 'flop' is not known; use one of mac, synaptic_op"):
        Count("motion", "conv", "flop", 1)
    with pytest.raises(TargetError, match="motion/conv: mac count -1 must be an integer of 0 or more"):
        Count("motion", "conv", "mac", -1)
