"""ConvLIF: its gradients against autograd of the same equations, and its life among norse's cells."""

import math
import warnings

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from hybridnet.model.neurons import ConvLIF


def layer(**changes: object) -> ConvLIF:
    torch.manual_seed(0)
    made = ConvLIF("conv1", 2, 4, steps=5, **({"input_limit": 127, "gain": 3.0} | changes))
    made.leak_logit.data.fill_(0.4)
    return made


def frames(steps: int = 5) -> torch.Tensor:
    """Integers (T,2,2,7,6) of -127..127."""
    return torch.randint(-127, 128, (steps, 2, 2, 7, 6), generator=torch.Generator().manual_seed(1)).float()


class InverseTangent(torch.autograd.Function):
    """Heaviside step with the paper's surrogate, gamma 10."""

    @staticmethod
    def forward(ctx, distance):
        ctx.save_for_backward(distance)
        return (distance > 0).to(distance.dtype)

    @staticmethod
    def backward(ctx, grad):
        (distance,) = ctx.saved_tensors
        return grad / (1 + 10 * distance**2)


def real_run(made: ConvLIF, x: torch.Tensor, start: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, dict]:
    """The paper's equations 3 and 4 in float64 with the quantised values of weight, leak and threshold."""
    numbers = made.quantised()
    weight = (torch.from_numpy(numbers.weight).double() * numbers.scale * made.input_limit).requires_grad_()
    leak = torch.tensor((4096 - numbers.decay) / 4096, dtype=torch.float64, requires_grad=True)
    theta = torch.tensor((numbers.threshold or 0) * numbers.scale, dtype=torch.float64, requires_grad=True)
    u, spikes, potentials = start.double() * numbers.scale / 64, [], []
    for frame in x.double() / made.input_limit:
        u = leak * u + F.conv2d(frame, weight, stride=made.stride, padding=made.padding)
        if made.spiking:
            s = InverseTangent.apply(u - theta)
            spikes.append(s)
            u = u * (1 - s.detach()) if made.reset == "zero" else u - theta * s.detach()
        potentials.append(u)
    return torch.stack(spikes or potentials), torch.stack(potentials), {"weight": weight, "leak": leak, "theta": theta}


@pytest.mark.parametrize("reset", ["zero", "subtract"])
@pytest.mark.parametrize("spiking", [True, False])
@pytest.mark.parametrize("target", ["output", "potential", "both"])
def test_gradients_are_those_of_the_real_model(reset: str, spiking: bool, target: str) -> None:
    made = layer(reset=reset, spiking=spiking, stride=2)
    x = frames()
    start = torch.randint(-5000, 5000, (2, 4, 4, 3), generator=torch.Generator().manual_seed(2)).float()
    scale = made.quantised().scale
    unit = 1.0 if spiking else scale / 64

    outputs, potentials = made.run(x, start)
    outputs_real, potentials_real, real = real_run(made, x, start)
    if spiking:
        assert torch.equal(outputs.double(), outputs_real)
        assert 0 < outputs.mean() < 1
    generator = torch.Generator().manual_seed(3)
    how_much = [
        torch.randn(outputs.shape, generator=generator) * (target in (part, "both")) for part in ("output", "potential")
    ]
    ((outputs * unit * how_much[0]).sum() + (potentials * (scale / 64) * how_much[1]).sum()).backward()
    ((outputs_real * how_much[0]).sum() + (potentials_real * how_much[1]).sum()).backward()

    torch.testing.assert_close(made.weight.grad.double(), real["weight"].grad, rtol=2e-3, atol=2e-3)
    leak = torch.sigmoid(torch.tensor(0.4))
    wanted = real["leak"].grad * (leak * (1 - leak))
    torch.testing.assert_close(made.leak_logit.grad.double(), wanted, rtol=2e-3, atol=2e-3)
    if spiking and (target != "potential" or reset == "subtract"):
        torch.testing.assert_close(made.threshold.grad.double(), real["theta"].grad, rtol=2e-3, atol=2e-3)


def test_gradients_reach_every_parameter_of_a_chain() -> None:
    chain = [layer(), ConvLIF("conv2", 4, 4, steps=5, gain=2.0), ConvLIF("readout", 4, 3, steps=5, spiking=False)]
    x = frames()
    for part in chain:
        x, _ = part.run(x)
    x[-1].square().mean().backward()
    for part in chain:
        for name, parameter in part.named_parameters():
            assert parameter.grad.isfinite().all(), (part.name, name)
            assert parameter.grad.abs().sum() > 0, (part.name, name)


def test_gamma_sharpens_the_gradient() -> None:
    sizes = []
    for gamma in (1.0, 10.0, 100.0):
        made = layer(gamma=gamma)
        made.run(frames())[0].sum().backward()
        sizes.append(float(made.threshold.grad.abs()))
    assert sizes[0] > sizes[1] > sizes[2] > 0


@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_steps_with_state_are_the_run(reset: str) -> None:
    made = layer(reset=reset)
    outputs, potentials = made.run(frames())
    state = None
    for x, output, potential in zip(frames(), outputs, potentials, strict=True):
        found, state = made(x, state)
        assert torch.equal(found, output)
        assert torch.equal(state, potential)


def test_a_convlif_is_a_norse_cell() -> None:
    """norse finds its state, threads it from step to step, and takes it between cells of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", FutureWarning
        )  # norse 1.1.0 scripts functions at import, which torch deprecates
        import norse.torch as norse
    cells = [layer(), ConvLIF("conv2", 4, 4, steps=5, gain=2.0)]
    chain = norse.SequentialState(*cells, norse.LIFBoxCell(), torch.nn.Flatten())
    assert chain.stateful_layers == [True, True, True, False]
    state = None
    first, _ = cells[0].run(frames())
    second, potentials = cells[1].run(first)
    for t, x in enumerate(frames()):
        output, state = chain(x, state)
        assert output.shape == (2, 4 * 7 * 6)
        assert torch.equal(state[1], potentials[t])
    assert second.any()


@pytest.mark.parametrize("reset", ["zero", "subtract"])
@pytest.mark.parametrize("spiking", [True, False])
def test_the_float_model_is_equations_3_and_4_of_the_parameters(reset: str, spiking: bool) -> None:
    made = layer(reset=reset, spiking=spiking, stride=2)
    x = frames() / 127
    found = made.real_outcome(x).detach()
    leak = 1 / (1 + math.exp(-0.4))
    theta = made.threshold.item() if spiking else math.inf
    sums = F.conv2d(x.flatten(0, 1), made.weight.detach(), stride=2, padding=1).unflatten(0, (5, 2)).numpy()
    wanted = np.zeros(found.shape)
    for place in np.ndindex(sums.shape[1:]):
        u = 0.0
        for t in range(5):
            u = leak * u + float(sums[t][place])
            if spiking:
                wanted[t][place] = u > theta
            if u > theta:
                u = 0.0 if reset == "zero" else u - theta
        if not spiking:
            wanted[place] = u
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert found.any()
