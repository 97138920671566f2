"""The fast way through a layer against the general one, which is held to the chip and to autograd elsewhere."""

import pytest
import torch

from hybridnet.model.membrane_kernels import BLOCK
from hybridnet.model.neurons import ConvLIF


def layer(**changes: object) -> ConvLIF:
    torch.manual_seed(0)
    made = ConvLIF("conv1", 3, 4, steps=5, **({"input_limit": 127, "gain": 3.0} | changes))
    made.leak_logit.data.fill_(0.4)
    return made


def frames(shape: tuple[int, int] = (40, 33)) -> torch.Tensor:
    """Integers (T,2,3,H,W) of -127..127; more neurons than one block holds, and not a whole number of blocks."""
    return torch.randint(-127, 128, (5, 2, 3, *shape), generator=torch.Generator().manual_seed(1)).float()


def channels_last(x: torch.Tensor) -> torch.Tensor:
    return x.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, x.shape[:2])


def gradients(made: ConvLIF, x: torch.Tensor, output: torch.Tensor) -> dict[str, torch.Tensor]:
    """Of the parameters and the input, for one random weighting of the output."""
    how_much = torch.randn(output.shape, generator=torch.Generator().manual_seed(2))
    wanted = dict(made.named_parameters()) | {"x": x}
    found = torch.autograd.grad((output * how_much).sum(), list(wanted.values()))
    return dict(zip(wanted, found, strict=True))


@pytest.mark.parametrize("form", [torch.clone, channels_last])
@pytest.mark.parametrize(
    "changes",
    [{"reset": "zero"}, {"reset": "subtract"}, {"stride": 2}, {"spiking": False, "input_limit": 1}],
    ids=["zero", "subtract", "stride", "readout"],
)
def test_the_fast_way_is_the_general_one(changes: dict, form: object) -> None:
    made = layer(**changes)
    x = frames() if made.spiking else (frames() > 60).float()
    x = form(x).requires_grad_()
    fast = made.outcome(x)
    general, _ = made.run(x)
    general = general if made.spiking else general[-1]
    assert fast[0].numel() > BLOCK
    assert torch.equal(fast, general)
    assert fast.any()
    for name, wanted in gradients(made, x, general).items():
        found = gradients(made, x, made.outcome(x))[name]
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()), msg=name)


def test_saturation_is_the_general_ones() -> None:
    made = layer(gain=3.0)
    made.leak_logit.data.fill_(40.0)
    x = torch.full((5, 1, 3, 6, 6), -127.0) * made.weight.detach().sum(dim=(0, 2, 3)).sign()[:, None, None]
    _, potentials = made.run(x)
    assert potentials.min() == -(2**23 - 1)
    assert torch.equal(made.outcome(x), made.run(x)[0])


def test_threads_change_nothing() -> None:
    made, before = layer(), torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            x = frames((40, 40)).requires_grad_()
            output = made.outcome(x)
            results.append((output, gradients(made, x, output)))
    finally:
        torch.set_num_threads(before)
    for output, found in results[1:]:
        assert torch.equal(output, results[0][0])
        for name in ("leak_logit", "threshold"):
            assert torch.equal(found[name], results[0][1][name]), name
