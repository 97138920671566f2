"""The engine against what real Loihi chips did: the captures that lava-dl 0.6.0 ships in its tests.

`pilotnet_lif` holds spikes and potentials of every layer over 24 steps (of the last one over 25, from another run),
`tinynet` spikes over 16. A layer with synapses answers a step later than the one before, and the chip's 16 frames were
reset every 17 steps. `ntidigits` holds the output spikes of a dense network with delays over 3000 steps.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from simulators import load_net, simulate

pytest.importorskip("lava", reason="Lava is an extra; CI installs it")


@pytest.fixture(scope="module")
def shipped() -> Path:
    """The folder of netx's own tests."""
    netx = find_spec("lava.lib.dl.netx").submodule_search_locations[0]
    return Path(netx).parents[3] / "tests" / "lava" / "lib" / "dl" / "netx"


def test_pilotnet_on_loihi(shipped):
    captured = shipped / "gts" / "pilotnet_lif"
    graph = load_net(captured / "network.net", num_layers=10)  # the last layer was captured in another run
    image = np.load(captured / "image.npy").T  # each neuron's bias, which drives it
    trace = simulate(
        graph, np.tile(image, (24, 1, 1, 1)), record=("spikes", "v"), reset_interval=17, hardware_refractory=True
    )
    np.testing.assert_array_equal(trace.spikes["layer0"], np.load(captured / "input.npy").T)
    names = ["conv-0", "conv-1", "conv-2", "conv-3", "conv-4", "fc-0", "fc-1", "fc-2"]
    for late, (layer, name) in enumerate(zip(list(trace.v)[1:], names, strict=True), start=1):
        np.testing.assert_array_equal(trace.spikes[layer][:-late], np.load(captured / f"{name}.npy").T[late:])
        np.testing.assert_array_equal(trace.v[layer][:-late], np.load(captured / f"{name}-v.npy").T[late:])


def test_pilotnet_s_last_layer_was_captured_in_another_run(shipped):
    captured = shipped / "gts" / "pilotnet_lif"
    weight = load_net(captured / "network.net").layers[-1].weight
    current = 64 * (np.load(captured / "fc-2.npy").T @ weight.T).ravel()  # a step later, no current being kept
    held = np.load(captured / "fc-3-u.npy").ravel()
    assert (len(current), len(held)) == (24, 25)
    np.testing.assert_array_equal(current[:7], held[1:8])  # until the chip's reset
    assert (np.flatnonzero(current[8:]) + 9).tolist() == [11, 18, 20]
    assert (np.flatnonzero(held[9:]) + 9).tolist() == [11, 22]


def test_pilotnet_on_loihi_from_its_input_spikes(shipped):
    captured = shipped / "gts" / "pilotnet_lif"
    graph = load_net(captured / "network.net", skip_layers=1, num_layers=3)
    trace = simulate(
        graph, np.load(captured / "input.npy").T, record=("v",), reset_interval=17, hardware_refractory=True
    )
    np.testing.assert_array_equal(trace.v["layer2"][:-2], np.load(captured / "conv-1-v.npy").T[2:])


def test_tinynet(shipped):
    captured = shipped / "gts" / "tinynet"
    bias = np.load(captured / "input_bias.npy").astype(int).T
    trace = simulate(load_net(shipped / "tiny.net"), np.tile(bias, (15, 1, 1, 1)), record=("spikes",))
    for layer, name in (("layer0", "input"), ("layer1", "layer1"), ("layer2", "output")):
        spikes = np.moveaxis(np.load(captured / f"{name}.npy")[0], -1, 0)
        np.testing.assert_array_equal(trace.spikes[layer], spikes[1:] > 0)  # recorded from the second step on


def test_ntidigits_with_delays_and_current_memory(shipped):
    recorded = shipped / "gts" / "ntidigits"
    graph = load_net(recorded / "ntidigits.net", num_layers=5)  # the sixth is an average
    x = np.load(recorded / "input.npy").T.astype(int).reshape(-1, 1, 1, 64)
    spikes = simulate(graph, x, record=("spikes",)).spikes["layer4"]
    np.testing.assert_array_equal(spikes[:-4], np.load(recorded / "output.npy").T[4:] > 0)  # 3 layers, 1 to read out
