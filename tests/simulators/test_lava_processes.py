"""What stock Lava does not have: reset by subtraction, graded potentials, and several inputs through one network."""

from pathlib import Path

import numpy as np
import pytest

from hybridnet.errors import GraphError
from hybridnet.spiking import Layer, SpikingGraph
from hybridnet.trace import Trace
from simulators import needed_processes, open_simulator, save_net, simulate
from simulators.lava_network import netx_network
from simulators.lava_steps import _old_habits

pytest.importorskip("lava", reason="Lava is an extra; CI installs it")

EVERYTHING = ("spikes", "v")


def network(reset: str = "zero", graded: bool = False, delay: np.ndarray | None = None) -> SpikingGraph:
    """Two layers that spike, the first with current memory, and a readout; all with biases."""
    rng = np.random.default_rng(7)
    layers = (
        Layer(
            "a", "conv", 2 * rng.integers(-20, 40, (3, 2, 3, 3)), padding=(1, 1), bias=np.array([9, 0, 30]),
            decay_u=1500, decay_v=200, threshold=150, reset=reset,
        ),
        Layer(
            "b", "conv", 2 * rng.integers(-20, 40, (4, 3, 3, 3)), stride=(2, 1), bias=np.arange(4),
            threshold=90, reset=reset,
        ),
        Layer("flat", "flatten"),
        Layer(
            "out", "dense", 2 * rng.integers(-90, 90, (5, 48)), bias=np.arange(5), delay=delay,
            decay_v=41, graded=graded,
        ),
    )  # fmt: skip
    return SpikingGraph(layers, (2, 7, 6), 8, 5)


def inputs(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(8).integers(-9, 10, (count, 5, 2, 7, 6)))


def assert_same(mine: Trace, theirs: Trace) -> None:
    for name in mine.v:
        np.testing.assert_array_equal(mine.spikes[name], theirs.spikes[name])
        np.testing.assert_array_equal(mine.v[name], theirs.v[name])
    np.testing.assert_array_equal(mine.potential, theirs.potential)


@pytest.mark.parametrize(
    ("reset", "graded", "needed"),
    [
        ("zero", False, ()),
        ("subtract", False, ("SubtractLIF",)),
        ("zero", True, ("PotentialReadout",)),
        ("subtract", True, ("SubtractLIF", "PotentialReadout")),
    ],
)
def test_inputs_back_to_back_are_as_fresh_networks(reset, graded, needed):
    graph = network(reset, graded)
    assert needed_processes(graph) == needed
    clips = inputs(3)
    with open_simulator(graph, "lava", EVERYTHING) as play:
        together = [play(x) for x in clips]
    assert together[0].spike_counts["b"].any()
    for x, trace in zip(clips, together, strict=True):
        assert_same(simulate(graph, x, record=EVERYTHING), trace)
    assert_same(simulate(graph, clips[2], backend="lava", record=EVERYTHING), together[2])


def test_a_stock_network_plays_back_to_back_too():
    graph, clips = network(), inputs(2)
    with open_simulator(graph, "lava-stock", EVERYTHING) as play:
        for x in clips:
            assert_same(simulate(graph, x, record=EVERYTHING), play(x))


def test_delayed_spikes_of_one_input_do_not_reach_the_next():
    graph, clips = network(delay=np.array([0, 3, 1, 0, 9])), inputs(2)
    with open_simulator(graph, "lava", EVERYTHING) as play:
        for x in clips:
            assert_same(simulate(graph, x, record=EVERYTHING), play(x))


def test_a_graded_readout_needs_no_probe_for_its_potential():
    graph, (x,) = network(graded=True), inputs(1)
    trace = simulate(graph, x, backend="lava")
    assert (trace.spikes, trace.v) == ({}, {})
    np.testing.assert_array_equal(trace.potential, simulate(graph, x).potential)
    assert not trace.spike_counts["out"].any()


def test_potentials_of_a_graded_readout_fill_24_bits():
    graph = SpikingGraph((Layer("out", "dense", np.array([[254, 2], [-254, -2]]), graded=True),), (2,), 16, 4)
    x = np.array([[515, 0], [515, 0], [515, 0], [0, 0]])
    trace = simulate(graph, x, backend="lava", record="v")
    assert trace.potential.tolist() == [2**23 - 1, -(2**23) + 1]
    np.testing.assert_array_equal(trace.v["out"], simulate(graph, x, record="v").v["out"])


def test_another_number_of_frames_is_refused():
    with (
        open_simulator(network(), "lava") as play,
        pytest.raises(GraphError, match="input: 4 frames are not the 5 steps of the graph"),
    ):
        play(inputs(1)[0][:4])


def test_the_stock_backend_refuses_what_stock_lava_lacks():
    with pytest.raises(
        GraphError, match="graph: needs SubtractLIF, which stock Lava does not have; use backend='lava'"
    ):
        simulate(network("subtract"), inputs(1)[0], backend="lava-stock")


@pytest.mark.parametrize(("reset", "graded"), [("subtract", False), ("zero", True)])
def test_stock_netx_fails_on_a_file_that_needs_more(reset, graded, tmp_path: Path):
    """Rather than running another reset without a word."""
    path = tmp_path / "graph.net"
    save_net(path, network(reset, graded))
    with pytest.raises(AttributeError):
        _stock_network(path)
    assert len(netx_network(path, input_message_bits=24)) == 3
    with pytest.raises(AttributeError):  # the help is gone with its block
        _stock_network(path)


def _stock_network(path: Path) -> object:
    from lava.lib.dl import netx

    return netx.hdf5.Network(str(path), input_message_bits=24)


def test_a_network_from_netx_network_runs_without_resets(tmp_path: Path):
    """As any Lava user would run it: no reset interval given, the potential taken from the graded spikes."""
    save_net(tmp_path / "graph.net", graph := network("subtract", graded=True))
    (x,) = inputs(1)
    found = netx_network(tmp_path / "graph.net", input_message_bits=24)
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source

    for block in found.layers:
        block.neuron.bias_mant.init = np.zeros_like(block.neuron.bias_mant.init)  # it would integrate before frame 1
    source = Source(data=np.concatenate([x.T, np.zeros((6, 7, 2, 3), int)], axis=3).astype(np.int32))
    sink = Sink(shape=found.out.shape, buffer=8)
    source.s_out.connect(found.inp)
    found.out.connect(sink.a_in)
    with _old_habits():
        found.run(RunSteps(8), Loihi2SimCfg(select_tag="fixed_pt"))
    sent = sink.data.get()
    found.stop()
    bare = SpikingGraph(
        tuple(Layer(**{**vars(layer), "bias": None}) for layer in graph.layers), graph.input_shape, 8, 5
    )
    np.testing.assert_array_equal(sent[:, 3:].T, simulate(bare, x, record="v").v["out"])
