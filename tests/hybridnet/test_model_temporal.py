"""The STM against a naive int64 reference of the chip's dynamics, bit for bit."""

import dataclasses

import numpy as np
import pytest
import torch

from hybridnet.errors import HybridnetError
from hybridnet.model.config import ModelConfig, preset
from hybridnet.model.network import HybridNet
from hybridnet.model.temporal import STM


def small(**changes: object) -> ModelConfig:
    config = dataclasses.replace(preset("tiny", 2), steps=6, stm_channels=5)
    return dataclasses.replace(config, **changes)


def convolve(x: np.ndarray, weight: np.ndarray, stride: int) -> np.ndarray:
    """int64 (C,H,W) with (Cout,C,3,3), one pixel of padding: one output pixel at a time."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    height, width = ((n - 1) // stride + 1 for n in x.shape[1:])
    out = np.empty((len(weight), height, width), np.int64)
    for row in range(height):
        for column in range(width):
            window = padded[:, row * stride : row * stride + 3, column * stride : column * stride + 3]
            out[:, row, column] = (weight * window).sum(axis=(1, 2, 3))
    return out


def reference(stm: STM, x: np.ndarray, reset: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """(spikes, v) per layer in int64, as Lava's fixed-point LIF computes them, current never kept."""
    results = []
    for layer in stm.layers:
        numbers = layer.quantised()
        weight = numbers.weight.astype(np.int64)
        v, spikes, potentials = np.int64(0), [], []
        for frame in x.astype(np.int64):
            u = convolve(frame, weight, layer.stride) * 64
            assert np.abs(u).max() < 2**23
            product = v * (4096 - numbers.decay)
            v = np.clip(np.sign(product) * (np.abs(product) >> 12) + u, -(2**23 - 1), 2**23 - 1)
            s = np.zeros(v.shape, bool) if numbers.threshold is None else v > numbers.threshold * 64
            v = np.where(s, 0 if reset == "zero" else v - (numbers.threshold or 0) * 64, v)
            spikes.append(s)
            potentials.append(v)
        results.append((np.stack(spikes), np.stack(potentials)))
        x = results[-1][0]
    return results


def clip(seed: int, channels: int, shape: tuple[int, int], steps: int, kind: str) -> np.ndarray:
    """Integers (T,C,H,W): sparse blocks as motion has them, or steady full-scale ones that drive v to its limit."""
    rng = np.random.default_rng(seed)
    if kind == "full":
        return np.broadcast_to(rng.choice([-127, 127], (channels, *shape)), (steps, channels, *shape)).copy()
    x = rng.integers(-127, 128, (steps, channels, *shape))
    return x * (rng.random((steps, 1, *shape)) < 0.3)


def trained_like(stm: STM, leak_logit: float, seed: int) -> None:
    """Heavy-tailed weights, one dead channel, another leak and threshold per layer."""
    generator = torch.Generator().manual_seed(seed)
    for i, layer in enumerate(stm.layers):
        shape = layer.weight.shape
        tails = torch.randn(shape, generator=generator) ** 3
        layer.weight.data = tails * layer.weight.data.abs().mean() + 0.02
        layer.weight.data[-1] = 0
        layer.leak_logit.data.fill_(leak_logit)
        if layer.spiking:
            layer.threshold.data.fill_(0.3 + 0.2 * i)


@pytest.mark.parametrize("reset", ["zero", "subtract"])
@pytest.mark.parametrize("leak_logit", [-30.0, -1.3, 0.5, 3.0, 30.0])
@pytest.mark.parametrize(
    ("shape", "stride", "kind"), [((9, 12), 1, "sparse"), ((11, 8), 2, "sparse"), ((7, 7), 2, "full")]
)
def test_every_spike_and_potential_is_the_chips(
    reset: str, leak_logit: float, shape: tuple[int, int], stride: int, kind: str
) -> None:
    torch.manual_seed(3)
    stm = STM(2, small(reset=reset, stm_stride=stride), 3.0)
    trained_like(stm, leak_logit, seed=4)
    x = clip(5, 2, shape, 6, kind)
    wanted = reference(stm, x, reset)
    found = stm.trace(torch.from_numpy(x).float())

    assert [name for name, _, _ in found] == ["conv1", "conv2", "readout"]
    for (name, spikes, v), (spikes_wanted, v_wanted) in zip(found, wanted, strict=True):
        assert (spikes.dtype, v.dtype) == (bool, np.int32)
        assert np.array_equal(spikes, spikes_wanted), name
        assert np.array_equal(v, v_wanted), name
    assert wanted[0][0].any()
    assert wanted[1][0].any()

    batch = torch.from_numpy(np.stack([np.zeros_like(x), x])).float()
    scale = stm.layers[-1].quantised().scale
    for mode in (stm.train(), stm.eval()):
        potential = mode(batch).detach().numpy()
        assert potential.dtype == np.float32
        assert not potential[0].any()
        assert np.array_equal(potential[1], wanted[-1][1][-1].astype(np.float32) * np.float32(scale / 64))


def test_saturation_is_reached_and_clipped() -> None:
    """A second full-scale step against the weights passes -2^23 if the leak keeps all; nothing resets a negative v."""
    torch.manual_seed(0)
    stm = STM(2, small(stm_stride=1), 3.0)
    layer = stm.layers[0]
    layer.leak_logit.data.fill_(40.0)
    strongest = layer.weight.detach().abs().sum(dim=(1, 2, 3)).argmax()
    x = np.broadcast_to(-127 * np.sign(layer.quantised().weight[strongest]), (6, 2, 3, 3)).copy()
    _, spikes, v = stm.trace(torch.from_numpy(x).float())[0]
    spikes_wanted, v_wanted = reference(stm, x, "zero")[0]
    assert v_wanted.min() == -(2**23 - 1)
    assert np.array_equal(v, v_wanted)
    assert np.array_equal(spikes, spikes_wanted)


def test_a_shorter_clip_runs_as_its_first_steps() -> None:
    torch.manual_seed(0)
    stm = STM(3, small(), 6.0)
    x = torch.from_numpy(clip(1, 3, (10, 10), 6, "sparse")).float()
    for (_, long_spikes, long_v), (_, spikes, v) in zip(stm.trace(x), stm.trace(x[:4]), strict=True):
        assert np.array_equal(long_spikes[:4], spikes)
        assert np.array_equal(long_v[:4], v)


def test_autocast_changes_nothing() -> None:
    torch.manual_seed(0)
    stm = STM(2, small(), 3.0)
    x = torch.from_numpy(clip(1, 2, (12, 12), 6, "sparse")).float()[None]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = stm(x)
    assert half.dtype == torch.float32
    assert torch.equal(half, stm(x))


@pytest.mark.parametrize(
    ("x", "line"),
    [
        (torch.zeros(1, 6, 3, 8, 8), r"input \(1, 6, 3, 8, 8\) must be \(N,T,C,H,W\) with 2 channels"),
        (torch.zeros(6, 2, 8, 8), r"must be \(N,T,C,H,W\)"),
        (torch.zeros(1, 0, 2, 8, 8), "not empty"),
        (torch.zeros(1, 7, 2, 8, 8), "7 steps exceeds the model config's 6"),
        (torch.zeros(1, 6, 2, 8, 8, dtype=torch.int8), "torch.int8 must be torch.float32"),
        (torch.full((1, 6, 2, 8, 8), 0.5), r"integers within \+-127"),
        (torch.full((1, 6, 2, 8, 8), 128.0), r"integers within \+-127"),
        (torch.full((1, 6, 2, 8, 8), float("nan")), r"integers within \+-127"),
    ],
)
def test_wrong_input_is_refused(x: torch.Tensor, line: str) -> None:
    with pytest.raises(HybridnetError, match=line):
        STM(2, small(), 3.0)(x)


@pytest.mark.parametrize("wrong", [0.5, -127.5, 127.001, 128.0, -128.0, 1e9, float("nan"), float("inf"), -float("inf")])
def test_one_wrong_value_is_refused_wherever_it_is(wrong: float) -> None:
    rng = np.random.default_rng(0)
    sound = torch.from_numpy(rng.integers(-127, 128, (6, 3, 40, 40, 2)).astype(np.float32)).permute(1, 0, 4, 2, 3)
    for x in (sound, sound.contiguous(), sound[:, 1:, :, :-3, ::2]):
        STM(2, small(), 3.0)(x)
        place = tuple(rng.integers(length) for length in x.shape)
        with pytest.raises(HybridnetError, match=r"integers within \+-127"):
            STM(2, small(), 3.0)(x.index_put(tuple(map(torch.tensor, place)), torch.tensor(wrong)))


def p_frames(seed: int, size: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """A made-up clip: a patch of blocks that drifts by a few pixels a step, and its outlines over coding noise."""
    rng = np.random.default_rng(seed)
    motion = np.zeros((steps, 2, size, size))
    residual = rng.normal(0, 3, (steps, 3, size, size)).round()
    velocity = rng.uniform(1, 4, 2) * rng.choice([-1, 1], 2)
    top, left = 16 * rng.integers(1, 4, 2)
    for t in range(steps):
        for row in range(top, top + 48, 16):
            for column in range(left, left + 32, 16):
                drift = velocity * (t + 1) * 0.6 + rng.normal(0, 0.5, 2)
                motion[t, :, row : row + 16, column : column + 16] = (drift * 127 / 20).round()[:, None, None]
        edge, width = rng.integers(20, 80), 1 + t // 3
        residual[t, :, top : top + 48, left : left + width] += edge
        residual[t, :, top : top + width, left : left + 32] -= edge
    return motion.clip(-127, 127), residual.clip(-127, 127)


@pytest.mark.parametrize("seed", range(3))
def test_an_untrained_net_is_alive(seed: int) -> None:
    torch.manual_seed(seed)
    net = HybridNet(preset("tiny", 2))
    for stm, x in zip((net.motion, net.residual), p_frames(seed, 112, 11), strict=True):
        for name, spikes, _ in stm.trace(torch.from_numpy(x).float())[:-1]:
            assert 0.02 <= spikes.mean() <= 0.15, name
