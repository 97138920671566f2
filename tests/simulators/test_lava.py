"""The engine against Lava's own processes: every spike of every layer and every potential at every step."""

import dataclasses
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from hybridnet.errors import BackendError, GraphError
from hybridnet.spiking import Layer, SpikingGraph
from hybridnet.trace import Trace
from simulators import backends, lava, simulate
from simulators.lava_import import import_lava

pytest.importorskip("lava", reason="Lava is an extra; CI installs it")

EVERYTHING = ("spikes", "v")


def assert_same(mine: Trace, theirs: Trace) -> None:
    assert theirs.backend == "lava"
    assert list(mine.v) == list(theirs.v)
    for name in mine.v:
        np.testing.assert_array_equal(mine.spikes[name], theirs.spikes[name])
        np.testing.assert_array_equal(mine.v[name], theirs.v[name])
        np.testing.assert_array_equal(mine.events[name], theirs.events[name])
        np.testing.assert_array_equal(mine.spike_counts[name], theirs.spike_counts[name])
    np.testing.assert_array_equal(mine.potential, theirs.potential)
    assert mine.updates == theirs.updates
    assert theirs.overflows == {}


def compare(graph: SpikingGraph, x: np.ndarray) -> Trace:
    mine = simulate(graph, x, record=EVERYTHING)
    assert_same(mine, simulate(graph, x, backend="lava", record=EVERYTHING))
    return mine


def children() -> list[str]:
    """Command lines of this process's children, but for Python's own resource tracker."""
    tasks = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    found = [Path(f"/proc/{pid}/cmdline").read_text() for task in tasks for pid in task.read_text().split()]
    return [line for line in found if "resource_tracker" not in line]


def test_lava_is_a_backend():
    assert backends() == ("integer", "lava")


def test_importing_lava_leaves_dataclasses_as_they_were():
    original = dataclasses.dataclass
    import_lava()
    assert dataclasses.dataclass is original


@settings(max_examples=15, deadline=None, phases=[Phase.reuse, Phase.generate])  # shrinking takes minutes
@given(data=st.data())
def test_engine_and_lava_agree(data, cases):
    compare(*data.draw(cases(resets=("zero",), bits=12, conv_limit=1500, dense_limit=254)))


def test_layers_with_bias_start_at_their_own_first_frame():
    rng = np.random.default_rng(3)
    layers = (
        Layer(
            "a", "conv", 2 * rng.integers(-9, 9, (3, 2, 3, 3)), padding=(1, 1), bias=np.array([40, 0, 90]), threshold=60
        ),
        Layer("b", "conv", 2 * rng.integers(-9, 9, (4, 3, 3, 3)), stride=(2, 2), bias=np.full(4, 30), threshold=70),
        Layer("flat", "flatten"),
        Layer("c", "dense", 2 * rng.integers(-9, 9, (5, 4 * 4 * 3)), bias=np.arange(5), decay_v=1),
    )
    trace = compare(SpikingGraph(layers, (2, 9, 8), 8, 4), rng.integers(-9, 9, (4, 2, 9, 8)))
    assert trace.spike_counts["b"].all()


def test_a_readout_at_the_edge_of_saturation_does_not_fire():
    # 131071 * 64 + 63 is the clip: netx's threshold for a readout would be exceeded there
    graph = SpikingGraph((Layer("out", "dense", np.array([[254, 2]])),), (2,), 16, 3)
    trace = compare(graph, np.array([[515, 0], [515, 0], [515, 0]]))
    assert trace.potential.tolist() == [2**23 - 1]


def test_input_wider_than_8_bits_of_geometry():
    rng = np.random.default_rng(4)
    layers = (Layer("wide", "conv", rng.integers(-9, 9, (1, 1, 3, 3)), padding=(1, 1), threshold=9),)
    compare(SpikingGraph(layers, (1, 5, 200), 8, 2), rng.integers(-9, 9, (2, 1, 5, 200)))


def test_flat_input_and_a_leading_flatten():
    rng = np.random.default_rng(5)
    dense = Layer("d", "dense", 2 * rng.integers(-99, 99, (3, 12)), threshold=30)
    compare(SpikingGraph((dense,), (12,), 1, 3), rng.integers(0, 2, (3, 12)))
    compare(SpikingGraph((Layer("f", "flatten"), dense), (2, 3, 2), 8, 3), rng.integers(-9, 9, (3, 2, 3, 2)))


@pytest.mark.parametrize("weight", [[[131, -255]], [[254, -256]], [[255, 3]], [[-255, -7]], [[0, -9]]])
def test_dense_weights_at_the_edge_of_what_lava_holds(weight):
    graph = SpikingGraph((Layer("d", "dense", np.array(weight), threshold=9),), (2,), 8, 3)
    compare(graph, np.array([[5, 7], [-5, 3], [1, 0]]))


def test_only_what_is_asked_for_is_recorded():
    graph = SpikingGraph((Layer("d", "dense", np.array([[2, -4]]), threshold=1),), (2,), 1, 2)
    trace = simulate(graph, np.ones((2, 2), int), backend="lava")
    assert (trace.spikes, trace.v) == ({}, {})
    assert trace.potential.tolist() == [-256]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            Layer("d", "dense", np.array([[-1, -2]])),
            "layer d: weight -2 is altered by Lava's Dense, as none is positive",
        ),
        (Layer("d", "dense", np.array([[0, -179]])), "layer d: weight -179 is altered by Lava's Dense"),
        (Layer("d", "dense", np.array([[255, -2]])), "layer d: weight 255 is beyond Lava's Dense; use -256..254"),
        (Layer("d", "dense", np.array([[0, -258]])), "layer d: weight -258 is beyond Lava's Dense"),
        (Layer("d", "dense", np.zeros((1, 2), int)), "layer d: netx cannot load a dense weight that is all zero"),
        (Layer("d", "dense", np.array([[2, -4]])), r"layer d: inputs can sum to \d+, beyond the 2147483648"),
        (Layer("d", "dense", np.array([[2, -4]]), bias=np.array([32768])), "layer d: bias 32768 is beyond 32767"),
        (Layer("d", "dense", np.array([[2, -4]]), reset="subtract"), "layer d: reset 'subtract' does not exist"),
    ],
)
def test_what_lava_would_compute_differently_is_refused(layer, message):
    bits = 24 if "sum to" in message else 8
    with pytest.raises(GraphError, match=message):
        simulate(SpikingGraph((layer,), (2,), bits, 1), np.ones((1, 2), int), backend="lava")


def test_no_process_is_left_after_a_run():
    graph = SpikingGraph((Layer("d", "dense", np.array([[2, -4]]), threshold=1),), (2,), 1, 2)
    simulate(graph, np.ones((2, 2), int), backend="lava", record=EVERYTHING)
    assert multiprocessing.active_children() == []
    assert children() == []


def test_no_process_is_left_after_a_process_of_lava_s_fails(monkeypatch):
    sound = lava._wide_conv_model()

    def fail(self: object) -> None:
        raise ArithmeticError("a synapse gave way")

    monkeypatch.setattr(lava, "_wide_conv_model", lambda: type("BrokenConvModel", (sound,), {"run_spk": fail}))
    graph = SpikingGraph((Layer("c", "conv", np.ones((1, 1, 1, 1), int), threshold=1),), (1, 2, 2), 1, 2)
    with pytest.raises(BackendError, match=r"lava: ArithmeticError.'a synapse gave way'.; use backend='integer'"):
        simulate(graph, np.ones((2, 1, 2, 2), int), backend="lava")
    assert children() == []


def test_no_process_is_left_after_an_interrupted_run():
    graph = SpikingGraph((Layer("d", "dense", np.array([[2, -4]]), threshold=1),), (2,), 1, 2)
    import_lava()

    def interrupted() -> None:
        with lava._running(graph, np.ones((2, 2), int), every_potential=True) as play_step:
            play_step()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert children() == []
