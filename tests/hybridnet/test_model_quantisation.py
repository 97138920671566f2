"""From reals to integers: ranges, guarantees against wrapping, rounding, gradients."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hybridnet.errors import HybridnetError
from hybridnet.model import quantisation as q
from hybridnet.model.neurons import ConvLIF

LAYERS: dict[str, st.SearchStrategy[Any]] = {
    "seed": st.integers(0, 1000),
    "channels": st.integers(1, 5),
    "fan_in": st.integers(1, 300),
    "kind": st.sampled_from(["normal", "dominated", "ties"]),
    "size": st.floats(1e-6, 1e6),
    "leak_logit": st.floats(-20, 20),
    "role": st.sampled_from(["input", "spiking", "readout"]),
}


def weights(seed: int, channels: int, fan_in: int, kind: str) -> torch.Tensor:
    """Weights (channels, fan_in, 1, 1): trained-like normal, one channel that dominates, or all on rounding ties."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(channels, fan_in, 1, 1, generator=generator)
    if kind == "dominated":
        weight[0] *= 100
    if kind == "ties":
        weight = torch.sign(weight) * (2 * torch.randint(0, 5, weight.shape, generator=generator) + 1)
    return weight


@given(**LAYERS)
def test_the_worst_case_never_wraps(
    seed: int, channels: int, fan_in: int, kind: str, size: float, leak_logit: float, role: str
) -> None:
    """For any weight: even integers, |sum| below 2^17, a readout below its threshold for every step of 11."""
    weight = weights(seed, channels, fan_in, kind) * size
    limit = 127 if role == "input" else 1
    threshold = None if role == "readout" else torch.tensor(0.5)
    layer = q.quantise_layer(weight, torch.tensor(leak_logit), threshold, limit, steps=11)

    integers = layer.weight.numpy().astype(np.int64)
    assert np.array_equal(integers, layer.weight.numpy())
    assert not (integers % 2).any()
    assert integers.min() >= -256
    assert integers.max() <= 254
    reach = np.abs(integers).reshape(channels, -1).sum(axis=1).max() * limit
    assert reach <= 2**17 - 1
    if role == "readout":
        potential = 0
        for _ in range(11):
            potential = potential * (4096 - int(layer.decay)) // 4096 + 64 * int(reach)
        assert potential <= 131071 * 64


@given(seed=st.integers(0, 1000), fan_in=st.integers(1, 40), size=st.floats(1e-4, 1e4))
def test_quantised_weights_are_the_nearest_even_ones(seed: int, fan_in: int, size: float) -> None:
    weight = weights(seed, 3, fan_in, "normal") * size
    layer = q.quantise_layer(weight, torch.tensor(0.0), torch.tensor(1.0), 127, steps=11)
    unit = float(layer.scale) * 127  # scale is worth one unit of weight times one of input
    error = np.abs(layer.weight.double().numpy() * unit - weight.double().numpy())
    assert error.max() <= unit * (1 + 1e-6)  # half of an even step is one unit


def test_scale_uses_the_whole_range_when_sums_allow() -> None:
    layer = q.quantise_layer(torch.tensor([[[[0.25, -1.0]]]]), torch.tensor(0.0), torch.tensor(1.0), 1, steps=11)
    assert layer.weight.flatten().tolist() == [64, -254]
    assert float(layer.scale) == pytest.approx(1 / 254)
    assert int(layer.threshold) == 254


@pytest.mark.parametrize("leak", [0.001, 0.1, 0.5, 0.9, 0.999])
def test_decay_is_the_leak_in_twelve_bits(leak: float) -> None:
    decay = q.quantise_decay(torch.tensor(math.log(leak / (1 - leak))))
    assert int(decay) == round(4096 * (1 - leak))


@pytest.mark.parametrize(("logit", "decay"), [(100.0, 0), (-100.0, 4095)])
def test_decay_keeps_to_its_range(logit: float, decay: int) -> None:
    assert int(q.quantise_decay(torch.tensor(logit))) == decay


@pytest.mark.parametrize(("theta", "integer"), [(-3.0, 1), (0.0, 1), (2.6, 3), (1e9, 131071)])
def test_threshold_keeps_to_its_range(theta: float, integer: int) -> None:
    assert int(q.quantise_threshold(torch.tensor(theta), torch.tensor(1.0, dtype=torch.float64))) == integer


def test_all_zero_weights_have_a_scale() -> None:
    layer = q.quantise_layer(torch.zeros(2, 3, 3, 3), torch.tensor(0.0), torch.tensor(1.0), 127, steps=11)
    assert not layer.weight.any()
    assert float(layer.scale) > 0
    assert int(layer.threshold) == 131071


def test_rounding_and_clipping_let_gradients_pass() -> None:
    """Real weight w = w_int * s, so dw_int/dw = 1/s everywhere, clipped or not; likewise the threshold."""
    scale = torch.tensor(0.25, dtype=torch.float64)
    weight = torch.tensor([0.3, -900.0, 900.0], requires_grad=True)
    theta = torch.tensor(-5.0, requires_grad=True)
    q.quantise_weight(weight, scale).sum().backward()
    q.quantise_threshold(theta, scale).backward()
    assert weight.grad.tolist() == [4.0, 4.0, 4.0]
    assert float(theta.grad) == 4.0
    logit = torch.tensor(0.7, requires_grad=True)
    q.quantise_decay(logit).backward()
    leak = 1 / (1 + math.exp(-0.7))
    assert float(logit.grad) == pytest.approx(-4096 * leak * (1 - leak), rel=1e-5)


@pytest.mark.parametrize(
    ("channels", "limit", "spiking", "steps", "line"),
    [
        (115, 127, True, 11, "layer conv1: 1035 weights per output channel, the limit is 1030"),
        (1324, 1, False, 11, "layer conv1: 11916 weights per output channel, the limit is 11913"),
    ],
)
def test_too_many_weights_are_refused(channels: int, limit: int, spiking: bool, steps: int, line: str) -> None:
    with pytest.raises(HybridnetError, match=line):
        ConvLIF("conv1", channels, 1, steps=steps, input_limit=limit, spiking=spiking)
    ConvLIF("conv1", channels - 1, 1, steps=steps, input_limit=limit, spiking=spiking)


@pytest.mark.parametrize("name", ["weight", "leak_logit", "threshold"])
def test_a_parameter_that_is_not_finite_is_refused(name: str) -> None:
    layer = ConvLIF("conv2", 2, 3, steps=11)
    getattr(layer, name).data.view(-1)[0] = float("nan")
    with pytest.raises(HybridnetError, match=f"layer conv2: {name} is not finite"):
        layer.quantised()


@given(**LAYERS, theta=st.floats(-1, 1e4))
def test_snapped_parameters_are_what_their_integers_stand_for(
    seed: int, channels: int, fan_in: int, kind: str, size: float, leak_logit: float, theta: float, role: str
) -> None:
    """All of them, at the scale they had; the integers are the same but for weights that were rounded far."""
    limit = 127 if role == "input" else 1
    layer = ConvLIF("a", fan_in, channels, kernel=1, steps=11, input_limit=limit, spiking=role != "readout")
    with torch.no_grad():
        layer.weight.copy_(weights(seed, channels, fan_in, kind) * size)
        layer.leak_logit.fill_(leak_logit)
        if layer.threshold is not None:
            layer.threshold.fill_(theta * size)
    before = layer.quantised()
    layer.snap()
    after = layer.quantised()

    assert (after.decay, after.threshold) == (before.decay, before.threshold)
    assert after.scale == pytest.approx(before.scale, rel=1e-6)
    assert np.abs(after.weight - before.weight).max() <= 2
    reals = layer.weight.detach().double().numpy()
    np.testing.assert_allclose(reals, after.weight * (after.scale * limit), rtol=1e-6)
    if before.decay:
        assert 4096 * (1 - torch.sigmoid(layer.leak_logit.double()).item()) == pytest.approx(before.decay, abs=0.01)
    if layer.threshold is not None:
        assert layer.threshold.item() == pytest.approx((before.threshold + 1 / 128) * before.scale, rel=1e-6)
    layer.snap()
    np.testing.assert_array_equal(layer.quantised().weight, after.weight)


def test_a_float_model_that_was_snapped_fires_as_the_chip_does() -> None:
    """Not one spike of thousands differs; before, more than one in a hundred does."""
    torch.manual_seed(4)
    layer = ConvLIF("conv1", 3, 16, stride=2, steps=11, input_limit=127, gain=2.0)
    x = torch.randint(-127, 128, (11, 2, 3, 24, 24)).float()
    different = []
    for _ in range(2):
        chip, real = layer.outcome(x), layer.real_outcome(x / 127)
        different.append(((chip != real).sum() / chip.sum()).item())
        layer.snap()
    assert chip.sum() > 5000
    assert different[0] > 0.01
    assert different[1] == 0
