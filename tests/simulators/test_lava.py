"""The engine against Lava's own processes: every spike of every layer and every potential at every step."""

import dataclasses

import h5py
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from hybridnet.errors import GraphError
from hybridnet.spiking import Layer, SpikingGraph
from hybridnet.trace import Trace
from simulators import backends, load_net, needed_processes, save_net, simulate
from simulators.lava_import import import_lava
from simulators.lava_steps import _old_habits

pytest.importorskip("lava", reason="Lava is an extra; CI installs it")

EVERYTHING = ("spikes", "v")


def assert_same(mine: Trace, theirs: Trace) -> None:
    assert list(mine.v) == list(theirs.v)
    for name in mine.v:
        np.testing.assert_array_equal(mine.spikes[name], theirs.spikes[name])
        np.testing.assert_array_equal(mine.v[name], theirs.v[name])
        np.testing.assert_array_equal(mine.events[name], theirs.events[name])
        np.testing.assert_array_equal(mine.spike_counts[name], theirs.spike_counts[name])
    np.testing.assert_array_equal(mine.potential, theirs.potential)
    np.testing.assert_array_equal(mine.inputs, theirs.inputs)
    assert mine.updates == theirs.updates
    assert theirs.overflows == {}


def compare(graph: SpikingGraph, x: np.ndarray, reset_interval: int | None = None, backend: str = "lava") -> Trace:
    mine = simulate(graph, x, record=EVERYTHING, reset_interval=reset_interval)
    theirs = simulate(graph, x, backend=backend, record=EVERYTHING, reset_interval=reset_interval)
    assert theirs.backend == backend
    assert_same(mine, theirs)
    return mine


def test_lava_is_a_backend():
    assert backends() == ("integer", "lava")


def test_importing_lava_leaves_dataclasses_as_they_were():
    original = dataclasses.dataclass
    import_lava()
    assert dataclasses.dataclass is original


@settings(max_examples=15, deadline=None, phases=[Phase.reuse, Phase.generate])  # shrinking takes minutes
@given(data=st.data())
def test_engine_and_lava_agree(data, cases):
    """With the faster model of Conv, and with Lava's own wherever the graph needs nothing but stock processes."""
    graph, x = data.draw(cases(bits=12, conv_limit=1500, dense_limit=254))
    delayed = any(layer.delay is not None for layer in graph.layers)
    interval = None if delayed else data.draw(st.sampled_from([None, 1, 2, 3]))
    compare(graph, x, interval)
    if not needed_processes(graph):
        compare(graph, x, interval, backend="lava-stock")


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
    x = rng.integers(-9, 9, (2, 1, 5, 200))
    for backend in ("lava", "lava-stock"):
        compare(SpikingGraph(layers, (1, 5, 200), 8, 2), x, backend=backend)


def test_flat_input_and_a_leading_flatten():
    rng = np.random.default_rng(5)
    dense = Layer("d", "dense", 2 * rng.integers(-99, 99, (3, 12)), threshold=30)
    compare(SpikingGraph((dense,), (12,), 1, 3), rng.integers(0, 2, (3, 12)))
    compare(SpikingGraph((Layer("f", "flatten"), dense), (2, 3, 2), 8, 3), rng.integers(-9, 9, (3, 2, 3, 2)))


@pytest.mark.parametrize("weight", [[[131, -255]], [[254, -256]], [[255, 3]], [[-255, -7]], [[0, -9]]])
def test_dense_weights_at_the_edge_of_what_lava_holds(weight):
    graph = SpikingGraph((Layer("d", "dense", np.array(weight), threshold=9),), (2,), 8, 3)
    compare(graph, np.array([[5, 7], [-5, 3], [1, 0]]))


def test_input_neurons_are_driven_by_bias():
    image = np.array([[[90, -3], [7, 40]]])
    layers = (
        Layer("in", "input", np.array([64]), decay_u=77, decay_v=1024, threshold=60),
        Layer("out", "conv", np.array([[[[6]]]]), decay_v=5),
    )
    trace = compare(SpikingGraph(layers, (1, 2, 2), 8, 6), np.tile(image, (6, 1, 1, 1)))

    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.lif.process import LIF

    neurons = LIF(shape=(4,), bias_mant=image.ravel(), bias_exp=6, du=76, dv=1024, vth=60)
    for potential in trace.v["in"]:
        neurons.run(RunSteps(1), Loihi2SimCfg(select_tag="fixed_pt"))
        np.testing.assert_array_equal(neurons.v.get(), potential.ravel())
    neurons.stop()


def test_a_dense_layer_without_neurons_is_netx_s_default(tmp_path):
    layer = Layer("d", "dense", np.array([[6, -2], [4, 200]]), bias=np.array([3, -1]), threshold=1)
    save_net(tmp_path / "graph.net", SpikingGraph((layer,), (2,), 16, 1))
    with h5py.File(tmp_path / "graph.net", "r+") as file:
        del file["layer/1/neuron"]
    x = np.array([[1, 2], [3, 4], [300, -7], [0, 1000], [0, 0], [5000, 30000], [0, 0], [0, 0]])
    trace = simulate(load_net(tmp_path / "graph.net"), x, record="v")

    import_lava()
    from lava.lib.dl import netx
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.source import RingBuffer

    network = netx.hdf5.Network(str(tmp_path / "graph.net"), input_message_bits=24)
    source = RingBuffer(data=x.T.astype(np.int32))
    source.s_out.connect(network.inp)
    for t in range(len(x)):
        with _old_habits():
            network.run(RunSteps(1), Loihi2SimCfg(select_tag="fixed_pt"))
        if t:  # the synapse delays by one step
            np.testing.assert_array_equal(network.layers[0].neuron.v.get(), trace.v["d"][t - 1])
    network.stop()


def test_delays_of_neurons_and_of_inputs():
    rng = np.random.default_rng(6)
    layers = (
        Layer("a", "dense", 2 * rng.integers(-30, 60, (5, 3)), delay=np.array([0, 3, 1, 7, 2]), threshold=90),
        Layer("b", "dense", 2 * rng.integers(-30, 60, (5, 5)), delay=np.array([4, 0, 2, 1, 6]), threshold=40),
        Layer("c", "dense", 2 * rng.integers(-30, 60, (2, 5)), delay=np.array([1, 0, 3, 62, 0]), decay_u=900),
    )
    trace = compare(SpikingGraph(layers, (3,), 8, 20), rng.integers(-9, 10, (20, 3)))
    assert all(trace.spike_counts[name].any() for name in ("a", "b"))


def test_a_bias_before_delays_spikes_from_the_first_frame_on():
    layers = (
        Layer("a", "conv", np.array([[[[4, -2]]]]), bias=np.array([90]), threshold=60),
        Layer("b", "conv", np.array([[[[6]]], [[[8]]]]), bias=np.array([70, -3]), threshold=50),
        Layer("flat", "flatten"),
        Layer("c", "dense", 2 * np.arange(-6, 12).reshape(3, 6), bias=np.array([9, 0, 5]), delay=np.array([2, 0, 5])),
    )
    compare(SpikingGraph(layers, (1, 1, 4), 8, 8), np.arange(32).reshape(8, 1, 1, 4) % 7 - 3)


def test_a_reset_of_delayed_spikes_is_refused():
    # Lava's reset clears u and v, and what is on its way arrives after it
    graph = SpikingGraph((Layer("d", "dense", np.array([[2, -4]]), delay=np.array([3])),), (2,), 1, 2)
    with pytest.raises(
        GraphError, match="layer d: Lava's reset, here every 2 steps, leaves delayed spikes on their way"
    ):
        simulate(graph, np.ones((3, 2), int), backend="lava", reset_interval=2)


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
    ],
)
def test_what_lava_would_compute_differently_is_refused(layer, message):
    bits = 24 if "sum to" in message else 8
    with pytest.raises(GraphError, match=message):
        simulate(SpikingGraph((layer,), (2,), bits, 1), np.ones((1, 2), int), backend="lava")


def test_input_beyond_lava_s_bias_is_refused():
    graph = SpikingGraph((Layer("in", "input", np.array([64]), threshold=9),), (2,), 17, 1)
    with pytest.raises(GraphError, match="layer in: input up to 65535 is beyond 32767, Lava's 16 bits of bias"):
        simulate(graph, np.ones((1, 2), int), backend="lava")
