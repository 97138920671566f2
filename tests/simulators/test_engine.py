"""The integer engine against a plain int64 reference, hand counts, and its own promises."""

import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridnet.errors import GraphError
from hybridnet.spiking import Layer, SpikingGraph
from simulators import engine, population, simulate

EVERYTHING = ("spikes", "v")


def single(weight: object, shape: tuple[int, ...], bits: int = 8, **options: object) -> SpikingGraph:
    """A graph of one layer, dense for two axes of weight and conv for four."""
    weight = np.array(weight)
    layer = Layer("only", "dense" if weight.ndim == 2 else "conv", weight, **options)
    return SpikingGraph((layer,), shape, bits, steps=1)


@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_every_spike_potential_event_and_overflow_is_the_reference_s(data, cases, reference):
    graph, x = data.draw(cases())
    trace, expected = simulate(graph, x, record=EVERYTHING), reference(graph, x)
    assert list(trace.spikes) == list(trace.v) == list(expected)
    for name, layer in expected.items():
        np.testing.assert_array_equal(trace.spikes[name], layer["spikes"])
        np.testing.assert_array_equal(trace.v[name], layer["v"])
        np.testing.assert_array_equal(trace.events[name], layer["events"])
        np.testing.assert_array_equal(trace.spike_counts[name], layer["spikes"].reshape(len(x), -1).sum(axis=1))
        np.testing.assert_array_equal(trace.overflow_counts[name], layer["overflows"])
        assert trace.overflows[name] == layer["overflows"].sum()
        assert trace.updates[name] == layer["v"].size
    np.testing.assert_array_equal(trace.potential, layer["v"][-1])


@pytest.mark.parametrize("crossover", [0, 1], ids=["dense path", "event path"])
def test_both_paths_give_the_reference(crossover, cases, reference, monkeypatch):
    monkeypatch.setattr(population, "CROSSOVER", crossover)

    @settings(max_examples=80, deadline=None)
    @given(case=cases(bits=12, conv_limit=1500))
    def check(case):
        graph, x = case
        trace, expected = simulate(graph, x, record=EVERYTHING), reference(graph, x)
        for name, layer in expected.items():
            np.testing.assert_array_equal(trace.v[name], layer["v"])
            np.testing.assert_array_equal(trace.events[name], layer["events"])

    check()


@pytest.mark.parametrize("outputs", [1, 15, 16, 17, 40])
def test_the_path_changes_with_the_spikes_and_no_bit_does(outputs, reference, monkeypatch):
    rng = np.random.default_rng(3)
    taken = []
    play = population.play
    monkeypatch.setattr(population, "play", lambda *given: taken.append(given[3] is not None) or play(*given))
    layer = Layer("only", "conv", rng.integers(-40, 41, (outputs, 3, 3, 2)), padding=(1, 2), stride=(2, 1), bias=None)
    graph = SpikingGraph((layer,), (3, 13, 11), 8, steps=1)
    for density in (0.0, 0.1, 0.29, 0.31, 0.5, 1.0):
        taken.clear()
        x = np.zeros(3 * 13 * 11, int)
        x[: round(density * x.size)] = rng.integers(1, 100, round(density * x.size))
        x = rng.permutation(x).reshape(1, 3, 13, 11)
        expected = reference(graph, x)["only"]
        trace = simulate(graph, x)
        np.testing.assert_array_equal(trace.potential, expected["v"][0])
        np.testing.assert_array_equal(trace.events["only"], expected["events"])
        assert taken == [density > 0.3]


def test_more_than_one_band_of_rows_and_one_stretch_of_steps(reference, monkeypatch):
    monkeypatch.setattr(population, "_BAND", 100)
    monkeypatch.setattr(engine, "_TOGETHER", 4)
    rng = np.random.default_rng(4)
    conv = {"padding": (2, 1), "dilation": (2, 1)}
    layers = (
        Layer("a", "conv", rng.integers(-40, 41, (4, 2, 3, 3)), decay_u=900, threshold=90, bias=np.arange(4), **conv),
        Layer("b", "conv", rng.integers(-40, 41, (6, 2, 3, 2)), groups=2, stride=(1, 2), threshold=60),
    )
    graph = SpikingGraph(layers, (2, 17, 9), 8, steps=6)
    x = rng.integers(-9, 10, (6, 2, 17, 9)) * (rng.random((6, 1, 1, 1)) < 0.7) * (rng.random((6, 2, 17, 9)) < 0.3)
    trace, expected = simulate(graph, x, record=EVERYTHING), reference(graph, x)
    for name, layer in expected.items():
        assert layer["spikes"].any()
        np.testing.assert_array_equal(trace.v[name], layer["v"])
        np.testing.assert_array_equal(trace.spikes[name], layer["spikes"])
        np.testing.assert_array_equal(trace.events[name], layer["events"])


@pytest.mark.parametrize("looked_at", [(), ("v",)], ids=["nothing recorded", "potentials recorded"])
def test_memory_is_a_few_copies_of_a_layer_s_state(looked_at):
    layers = [Layer("0", "conv", np.ones((16, 2, 3, 3), int), padding=(1, 1), decay_u=4000, threshold=20)]
    for name in "123":
        layers.append(Layer(name, "conv", np.ones((16, 16, 3, 3), int), padding=(1, 1), decay_u=4000, threshold=20))
    graph = SpikingGraph(tuple(layers), (2, 96, 96), 1, steps=1)
    x = np.random.default_rng(5).random((30, 2, 96, 96)) < 0.5
    simulate(graph, x[:1], record=looked_at)  # loads the kernels
    tracemalloc.start()
    trace = simulate(graph, x, record=looked_at)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    state = 16 * 96 * 96 * 4
    # Per layer u and v, and two for what is smaller: a band's accumulator and dense frame, the spikes as bits. What
    # every layer sends in 30 steps, were it kept, would be 7 more at a byte each. Recorded potentials take those of 4
    # steps more, on one shelf for all layers, and what is handed out.
    recorded = sum(v.nbytes for v in trace.v.values())
    assert peak < 4 * 4 * state + (4 * state + recorded if looked_at else 0)


def test_layers_larger_than_one_block_of_the_neuron_kernel(reference):
    rng = np.random.default_rng(1)
    layers = (
        Layer("a", "conv", rng.integers(-40, 41, (7, 3, 3, 3)), padding=(1, 1), bias=np.arange(7), threshold=60),
        Layer("flat", "flatten"),
        Layer("b", "dense", rng.integers(-40, 41, (3001, 7 * 31 * 29)), bias=np.arange(3001), threshold=900),
    )
    graph = SpikingGraph(layers, (3, 31, 29), 1, steps=4)
    x = rng.integers(0, 2, (4, 3, 31, 29))
    trace, expected = simulate(graph, x, record=EVERYTHING), reference(graph, x)
    for name, layer in expected.items():
        assert layer["spikes"].any()
        np.testing.assert_array_equal(trace.spikes[name], layer["spikes"])
        np.testing.assert_array_equal(trace.v[name], layer["v"])


def test_types_and_shapes_of_a_trace():
    graph = single(np.ones((2, 1, 3, 3), int), (1, 4, 5), threshold=1)
    trace = simulate(graph, np.ones((6, 1, 4, 5), np.int8), record=EVERYTHING)
    assert trace.backend == "integer"
    assert (trace.spikes["only"].dtype, trace.spikes["only"].shape) == (np.dtype(bool), (6, 2, 2, 3))
    assert (trace.v["only"].dtype, trace.v["only"].shape) == (np.dtype(np.int32), (6, 2, 2, 3))
    assert (trace.potential.dtype, trace.potential.shape) == (np.dtype(np.int32), (2, 2, 3))
    assert (trace.events["only"].dtype, trace.spike_counts["only"].dtype) == (np.dtype(np.int64), np.dtype(np.int64))


def test_nothing_is_recorded_unless_asked():
    graph = single([[1]], (1,), threshold=1)
    x = np.ones((2, 1), int)
    assert (simulate(graph, x).spikes, simulate(graph, x).v) == ({}, {})
    assert simulate(graph, x, record=("v",)).spikes == {}
    assert list(simulate(graph, x, record="spikes").spikes) == ["only"]


def test_potential_by_hand():
    # v: 5*64 = 320; 320 * 0.5 + 320 = 480; a threshold of 7 is 448, and 480 > 448 fires
    x = np.ones((3, 1), int)
    zero = simulate(single([[5]], (1,), decay_v=2048, threshold=7), x, record=EVERYTHING)
    assert zero.v["only"].ravel().tolist() == [320, 0, 320]
    subtract = simulate(single([[5]], (1,), decay_v=2048, threshold=7, reset="subtract"), x, record=EVERYTHING)
    assert subtract.v["only"].ravel().tolist() == [320, 32, 336]
    assert subtract.spikes["only"].ravel().tolist() == [False, True, False]


def test_the_threshold_must_be_exceeded():
    trace = simulate(single([[5]], (1,), threshold=5), np.ones((1, 1), int), record=EVERYTHING)
    assert (trace.spike_counts["only"].tolist(), trace.potential.tolist()) == ([0], [320])


@pytest.mark.parametrize("bits", [1, 8])
def test_events_by_hand(bits):
    # 3x3 kernel, padding 1, 2 output channels: a corner reaches 4 positions, an edge 6, the middle 9
    graph = single(np.zeros((2, 1, 3, 3), int), (1, 3, 3), bits)
    x = np.zeros((4, 1, 3, 3), int)
    x[0, 0, 0, 0] = x[1, 0, 0, 1] = x[2, 0, 1, 1] = 1
    padded = SpikingGraph((Layer("only", "conv", graph.layers[0].weight, padding=(1, 1)),), (1, 3, 3), bits, 1)
    assert simulate(padded, x).events["only"].tolist() == [8, 12, 18, 0]
    assert simulate(graph, x).events["only"].tolist() == [2, 2, 2, 0]


def test_events_with_stride_and_groups_by_hand():
    # stride 2, 2x2 kernel: every input of a 4x4 map reaches one position, of its group's 3 output channels
    graph = single(np.ones((6, 1, 2, 2), int), (2, 4, 4), stride=(2, 2), groups=2)
    assert simulate(graph, np.ones((1, 2, 4, 4), int)).events["only"].tolist() == [32 * 3]


def test_overflow_by_hand():
    # a * 64 = 2^23 + 64 leaves u's range and comes back as -2^23 + 64
    wrapped = simulate(single([[2**17 + 1]], (1,)), np.ones((1, 1), int))
    assert (wrapped.potential.tolist(), wrapped.overflows["only"]) == ([-(2**23) + 64], 1)
    # 2 * (2^17 - 1) * 64 is within u and beyond v
    clipped = simulate(single([[2**17 - 1]], (1,)), np.ones((2, 1), int))
    assert (clipped.potential.tolist(), clipped.overflows["only"]) == ([2**23 - 1], 1)
    # a conv's a holds 24 bits: 2 * 2^23 comes back as 0
    conv = simulate(single([[[[2**22]], [[2**22]]]], (2, 1, 1)), np.full((1, 2, 1, 1), 2))
    assert (conv.potential.ravel().tolist(), conv.overflows["only"]) == ([0], 1)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_reset_interval_is_the_pieces_run_apart(data, cases):
    graph, x = data.draw(cases())
    interval = data.draw(st.integers(1, len(x) + 1))
    trace = simulate(graph, x, record=EVERYTHING, reset_interval=interval)
    pieces = [simulate(graph, x[t : t + interval], record=EVERYTHING) for t in range(0, len(x), interval)]
    for name in trace.v:
        for what in ("spikes", "v", "events", "spike_counts"):
            together = np.concatenate([getattr(piece, what)[name] for piece in pieces])
            np.testing.assert_array_equal(getattr(trace, what)[name], together)
        assert trace.overflows[name] == sum(piece.overflows[name] for piece in pieces)
        assert trace.updates[name] == sum(piece.updates[name] for piece in pieces)
    np.testing.assert_array_equal(trace.potential, pieces[-1].potential)


def test_delays_by_hand():
    x = np.array([[1, 0], [0, 1], [0, 0], [0, 0]])
    neurons = simulate(
        single([[3, 0], [0, 5], [7, 7]], (2,), 1, decay_v=4096, delay=np.array([0, 1, 2])), x, record="v"
    )
    assert (neurons.v["only"] // 64).tolist() == [[3, 0, 0], [0, 0, 0], [0, 5, 7], [0, 0, 7]]
    assert neurons.events["only"].tolist() == [1, 2, 2, 1]  # an event per neuron that a spike reaches, when it does
    inputs = simulate(single([[3, 0], [0, 5], [7, 7]], (2,), 1, decay_v=4096, delay=np.array([2, 0])), x, record="v")
    assert (inputs.v["only"] // 64).tolist() == [[0, 0, 0], [0, 5, 7], [3, 0, 7], [0, 0, 0]]
    assert inputs.events["only"].tolist() == [0, 3, 3, 0]


def test_a_reset_loses_delayed_spikes():
    graph = single([[3]], (1,), 1, delay=np.array([1]))
    trace = simulate(graph, np.ones((4, 1), int), record="v", reset_interval=2)
    assert trace.v["only"].ravel().tolist() == [0, 192, 0, 192]
    assert trace.events["only"].tolist() == [0, 1, 0, 1]


def test_a_reset_by_hand():
    trace = simulate(single([[5]], (1,), decay_u=0), np.ones((5, 1), int), record="v", reset_interval=2)
    assert trace.v["only"].ravel().tolist() == [320, 960, 320, 960, 320]  # u: 320, 640; v: their sum


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_hardware_refractory_reads_128_in_the_step_of_a_spike(data, cases):
    graph, x = data.draw(cases(resets=("zero",)))
    plain, held = simulate(graph, x, record=EVERYTHING), simulate(graph, x, record="v", hardware_refractory=True)
    for name, spikes in plain.spikes.items():
        np.testing.assert_array_equal(held.v[name], np.where(spikes, 128, plain.v[name]))
        np.testing.assert_array_equal(held.events[name], plain.events[name])
    np.testing.assert_array_equal(held.potential, held.v[name][-1])


def test_sums_beyond_64_bits_are_refused():
    graph = single(np.full((1, 2**12), 2**23 - 1), (2**12,), 24)
    with pytest.raises(GraphError, match=r"layer only: inputs can sum to \d+, beyond .*; use smaller weights"):
        simulate(graph, np.zeros((1, 2**12), int))


def test_graphs_run_in_threads(reference):
    rng = np.random.default_rng(2)
    layers = (
        Layer("a", "conv", rng.integers(-40, 41, (8, 2, 3, 3)), padding=(1, 1), threshold=100),
        Layer("b", "conv", rng.integers(-40, 41, (8, 8, 3, 3)), threshold=100),
    )
    graph = SpikingGraph(layers, (2, 40, 40), 8, steps=5)
    inputs = [rng.integers(-5, 6, (5, 2, 40, 40)) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        traces = list(pool.map(lambda x: simulate(graph, x, record=EVERYTHING), inputs))
    for x, trace in zip(inputs, traces, strict=True):
        np.testing.assert_array_equal(trace.v["b"], reference(graph, x)["b"]["v"])


def test_the_engine_loads_without_torch_or_lava():
    heavy = ["torch", "lava", "norse", "onnx", "matplotlib"]
    code = f"import sys, simulators; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
