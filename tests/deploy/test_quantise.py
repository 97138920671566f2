"""The quantised torch STM, the integer engine and Lava are one network: every spike, every potential, every step."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.quantise import spiking_graph
from hybridnet.model.config import ModelConfig
from hybridnet.model.temporal import STM
from hybridnet.spiking import SpikingGraph
from simulators import load_net, save_net, simulate


def stm_of(seed: int, channels: int, layers: int, stride: int, steps: int, streams: int) -> STM:
    """An STM with parameters far from their start: leaks from almost 0 to almost 1, thresholds low and high."""
    torch.manual_seed(seed)
    config = ModelConfig(
        classes=2, stm_channels=channels, stm_layers=layers, stm_stride=stride, patch=4 * stride, steps=steps
    )
    stm = STM(streams, config, input_gain=3.0)
    with torch.no_grad():
        for layer in stm.chain:
            layer.leak_logit.fill_(float(torch.randn(()) * 4))
            if layer.threshold is not None:
                layer.threshold.fill_(float(torch.rand(()) * 0.8))
    return stm


def assert_same(stm: STM, graph: SpikingGraph, x: np.ndarray, backend: str) -> None:
    trace = simulate(graph, x, backend=backend, record=("spikes", "v"))
    for name, spikes, v in stm.trace(torch.from_numpy(x.astype(np.float32))):
        np.testing.assert_array_equal(trace.spikes[name], spikes)
        np.testing.assert_array_equal(trace.v[name], v)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6), channels=st.integers(1, 6), layers=st.integers(2, 4), stride=st.integers(1, 3),
    steps=st.integers(1, 12), streams=st.integers(1, 3), size=st.tuples(st.integers(1, 13), st.integers(1, 13)),
)  # fmt: skip
def test_torch_and_engine_agree(
    seed: int, channels: int, layers: int, stride: int, steps: int, streams: int, size: tuple[int, int]
) -> None:
    stm = stm_of(seed, channels, layers, stride, steps, streams)
    x = np.random.default_rng(seed).integers(-127, 128, (steps, streams, *size))
    assert_same(stm, spiking_graph(stm, (streams, *size), steps), x, "integer")


@pytest.mark.parametrize("seed", [1, 2])
def test_torch_and_lava_agree(seed: int, tmp_path) -> None:
    """Through the .net file, as a bundle does it."""
    stm = stm_of(seed, channels=4, layers=3, stride=seed, steps=6, streams=3)
    save_net(tmp_path / "stream.net", spiking_graph(stm, (3, 9, 7), 6))
    x = np.random.default_rng(seed).integers(-127, 128, (6, 3, 9, 7))
    assert_same(stm, load_net(tmp_path / "stream.net"), x, "lava")
