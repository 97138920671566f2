"""Networks of lava-dl's own blocks, exported by lava-dl, loaded here and by netx: every potential at every step."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from hybridnet.errors import GraphError
from simulators import load_net, net_bytes, simulate
from simulators.lava_import import import_lava

pytest.importorskip("lava", reason="Lava is an extra; CI installs it")
pytestmark = pytest.mark.filterwarnings(  # what an archived Lava does
    "ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning",
    "ignore:`newshape` keyword argument:DeprecationWarning",
    "ignore:.*use of fork:DeprecationWarning",
)

NEURON = {"threshold": 1.25, "current_decay": 0.4, "voltage_decay": 0.2}


@pytest.fixture
def blocks():
    """lava-dl's CUBA blocks, the same random weights in every run."""
    import_lava()
    import torch
    from lava.lib.dl import slayer

    with torch.random.fork_rng():
        torch.manual_seed(2)
        yield slayer.block.cuba


def export(path: Path, blocks: list, shape: tuple[int, ...]) -> Path:
    """Run the blocks once on input (C,H,W) or (N,), which tells them their shapes, and write them as lava-dl does."""
    import torch

    x = torch.rand(1, *shape, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for block in blocks:
            x = block(x)
    with h5py.File(path, "w") as file:
        for i, block in enumerate(blocks):
            block.export_hdf5(file.create_group(f"layer/{i}"))
    return path


def put_delay(block, lengths: list[float]) -> None:
    import torch

    block.delay.delay.data[:] = torch.tensor(lengths).reshape(block.delay.delay.shape)


def play_netx(path: Path, x: np.ndarray) -> list[np.ndarray]:
    """v of every layer after every step of netx's network, (steps, ...) in WHC; frames (T,...) go in from step 1 on."""
    from lava.lib.dl import netx
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.source import RingBuffer

    network = netx.hdf5.Network(str(path), input_message_bits=16)
    source = RingBuffer(data=x.T.astype(np.int32))
    source.s_out.connect(network.inp)
    seen: list[list[np.ndarray]] = [[] for _ in network.layers]
    for _ in range(len(x)):
        network.run(RunSteps(1), Loihi2SimCfg(select_tag="fixed_pt"))
        for layer, potentials in zip(network.layers, seen, strict=True):
            potentials.append(layer.neuron.v.get())
    network.stop()
    return [np.array(potentials) for potentials in seen]


def assert_same(path: Path, x: np.ndarray, late: int) -> None:
    """The engine's potentials are netx's, whose first layer answers `late` steps on, and every other one step more."""
    trace = simulate(load_net(path), x, record=("spikes", "v"))
    theirs = play_netx(path, x)
    assert len(trace.v) == len(theirs)
    for after, (name, mine) in enumerate(trace.v.items(), start=late):
        np.testing.assert_array_equal(mine[: len(x) - after].T, np.moveaxis(theirs[after - late][after:], 0, -1))
        assert trace.spikes[name].any() or name == list(trace.v)[-1]


def test_convs_and_dense_layers_with_delays(blocks, tmp_path):
    network = [
        blocks.Input(delay_shift=False),
        blocks.Conv(
            NEURON, 2, 4, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2,
            weight_scale=4, weight_norm=True,
        ),
        blocks.Flatten(),
        blocks.Dense(NEURON, 4 * 4 * 5, 6, weight_scale=8, delay=True),
        blocks.Dense(NEURON, 6, 5, weight_scale=8, weight_norm=True),
        blocks.Affine(NEURON, 5, 3, weight_scale=2),
    ]  # fmt: skip
    export(tmp_path / "untrained.net", network, (2, 8, 7))
    put_delay(network[3], [0, 1.5, 2, 0, 3, 0.4])
    path = export(tmp_path / "graph.net", network, (2, 8, 7))
    graph = load_net(path)
    assert [layer.kind for layer in graph.layers] == ["conv", "flatten", "dense", "dense", "dense"]
    assert graph.layers[2].delay.tolist() == [0, 1, 2, 0, 3, 0]  # lava-dl rounds down
    assert [(layer.decay_u, layer.decay_v, layer.threshold) for layer in graph.layers if layer.kind != "flatten"] == [
        *[(1638, 819, 80)] * 3,
        (1638, 819, None),
    ]
    (tmp_path / "again.net").write_bytes(net_bytes(graph))
    assert load_net(tmp_path / "again.net") == graph
    rng = np.random.default_rng(2)
    assert_same(path, rng.integers(-5, 9, (12, 2, 8, 7)) * (rng.random((12, 2, 8, 7)) < 0.5), late=1)


def test_a_flat_network_whose_last_layer_has_no_neurons(blocks, tmp_path):
    network = [
        blocks.Input(delay_shift=False),
        blocks.Dense({**NEURON, "current_decay": 1}, 9, 7, weight_scale=4),
        blocks.Affine(NEURON, 7, 2, weight_scale=2, dynamics=False),
    ]
    path = export(tmp_path / "graph.net", network, (9,))
    assert (load_net(path).input_shape, load_net(path).layers[1].threshold) == ((9,), None)
    assert_same(path, np.random.default_rng(3).integers(-5, 30, (9, 9)), late=1)


def test_input_neurons(blocks, tmp_path):
    neuron = {"threshold": 1, "current_decay": 1, "voltage_decay": 0.03}
    network = [blocks.Input(neuron, weight=0.5, bias=0.25), blocks.Conv(NEURON, 3, 2, 3)]
    graph = load_net(export(tmp_path / "graph.net", network, (3, 5, 6)))
    first = graph.layers[0]
    assert (first.kind, graph.input_shape, first.decay_v, first.threshold) == ("input", (3, 5, 6), 123, 64)
    assert (first.weight.tolist(), first.bias.tolist()) == ([32], [16])  # 64 is 1


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("Pool", "layer layer1: type 'pool' is not supported; use conv, dense and flatten layers"),
        ("Unpool", "layer layer1: type 'unpool' is not supported"),
        ("ConvT", "layer layer1: type 'convT' is not supported"),
        ("Recurrent", "layer layer1: type 'dense_rec' is not supported"),
        ("conv with delays", "layer layer1: delays of a conv are not supported; export it without delays"),
        ("graded", "layer layer1: gradedSpike 1 is not supported"),
        ("ALIF", "layer layer1: neuron type 'ALIF' is not supported; use one of CUBA, LOIHI"),
    ],
)
def test_blocks_that_are_refused(blocks, tmp_path, kind, message):
    from lava.lib.dl import slayer

    adaptive = {**NEURON, "threshold_step": 0.5, "threshold_decay": 0.1, "refractory_decay": 0.1}
    make = {
        "Pool": lambda: blocks.Pool(NEURON, 2),
        "Unpool": lambda: blocks.Unpool(NEURON, 2),
        "ConvT": lambda: blocks.ConvT(NEURON, 2, 3, 2),
        "Recurrent": lambda: blocks.Recurrent(NEURON, 6, 6),
        "conv with delays": lambda: blocks.Conv(NEURON, 2, 3, 1, delay=True),
        "graded": lambda: blocks.Conv({**NEURON, "graded_spike": True}, 2, 3, 1),
        "ALIF": lambda: slayer.block.alif.Conv(adaptive, 2, 3, 1),
    }
    shape = (6,) if kind == "Recurrent" else (2, 4, 4)
    network = [blocks.Input(delay_shift=False), make[kind]()]
    export(tmp_path / "graph.net", network, shape)
    if kind == "conv with delays":
        put_delay(network[1], [0, 1, 2])
    path = export(tmp_path / "graph.net", network, shape)
    with pytest.raises(GraphError, match=message):
        load_net(path)
