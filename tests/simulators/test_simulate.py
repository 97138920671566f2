"""What `simulate` refuses, and how it says so."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from hybridnet.errors import BackendError, GraphError
from hybridnet.spiking import Layer, SpikingGraph
from simulators import backends, simulate


def graph(bits: int = 8) -> SpikingGraph:
    return SpikingGraph((Layer("only", "conv", np.ones((1, 2, 1, 1), int)),), (2, 3, 4), bits, steps=11)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((1, 2, 3, 4), np.float32), "input: dtype float32 is not integer or bool; quantise it first"),
        (np.zeros((2, 3, 4), int), r"input: shape \(2, 3, 4\) must be \(T,2,3,4\)"),
        (np.zeros((1, 2, 4, 3), int), r"input: shape \(1, 2, 4, 3\) must be"),
        (np.zeros((0, 2, 3, 4), int), "with at least one step"),
        (np.array(3), r"input: shape \(\) must be"),
        (np.full((1, 2, 3, 4), 128), "input: value 128 is outside -127..127 .8 bits.; clip or rescale it"),
        (np.full((1, 2, 3, 4), -128, np.int8), "input: value -128 is outside"),
        (np.full((1, 2, 3, 4), 2**64 - 1, np.uint64), "input: value 18446744073709551615 is outside"),
    ],
)
def test_input_that_does_not_fit(x, message):
    with pytest.raises(GraphError, match=message):
        simulate(graph(), x)


def test_binary_input_is_0_or_1():
    for value in (-1, 2):
        with pytest.raises(GraphError, match=rf"input: value {value} is outside 0..1"):
            simulate(graph(1), np.full((1, 2, 3, 4), value))
    assert simulate(graph(1), np.ones((1, 2, 3, 4), bool)).potential.ravel()[0] == 128


def test_unknown_recording_is_refused():
    with pytest.raises(GraphError, match="record: 'u' cannot be recorded; choose from spikes, v"):
        simulate(graph(), np.zeros((1, 2, 3, 4), int), record=("v", "u"))


@pytest.mark.parametrize("interval", [0, -3])
def test_a_reset_interval_is_at_least_one_step(interval):
    with pytest.raises(GraphError, match=f"reset_interval: {interval} must be at least 1 step; use None for no reset"):
        simulate(graph(), np.zeros((1, 2, 3, 4), int), reset_interval=interval)


def test_hardware_refractory_is_refused_where_it_does_not_exist():
    x = np.zeros((1, 2, 3, 4), int)
    with pytest.raises(GraphError, match="hardware_refractory: backend 'lava' holds v = 0 after a spike; use backend="):
        simulate(graph(), x, backend="lava", hardware_refractory=True)
    soft = replace(graph(), layers=(replace(graph().layers[0], threshold=1, reset="subtract"),))
    with pytest.raises(GraphError, match="layer only: reset 'subtract' does not exist on Loihi; use reset='zero'"):
        simulate(soft, x, hardware_refractory=True)


def test_unknown_backend_is_refused():
    with pytest.raises(BackendError, match="backend 'loihi' is unknown; choose from integer, lava"):
        simulate(graph(), np.zeros((1, 2, 3, 4), int), backend="loihi")


def test_lava_that_is_not_installed_says_how_to_install(monkeypatch):
    monkeypatch.setattr(sys.modules["simulators.simulate"], "find_spec", lambda name: None)
    assert backends() == ("integer",)
    with pytest.raises(BackendError, match=r"make lava.*hybridnet\[lava\].*lava-nc==0.10.0 lava-dl==0.6.0"):
        simulate(graph(), np.zeros((1, 2, 3, 4), int), backend="lava")
