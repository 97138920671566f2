"""The whole network: shapes, any resolution, learning, repeatable starts, ONNX."""

import dataclasses
import io
import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from torch.nn import functional as F

from hybridnet.model.config import ModelConfig, preset
from hybridnet.model.encoder import Encoder
from hybridnet.model.network import HybridNet
from hybridnet.model.rrdb import RRDB, DenseBlock
from hybridnet.model.spatial import PatchEmbedding

pytestmark = pytest.mark.usefixtures("one_thread")


def small(**changes: object) -> ModelConfig:
    config = dataclasses.replace(preset("tiny", 5), size=64, steps=3, dim=32, depth=2, fold_channels=16)
    return dataclasses.replace(config, **({"rrdb_channels": 16, "rrdb_growth": 8} | changes))


def clip(batch: int, size: int, steps: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(iframe, motion, residual) as the network takes them."""
    generator = torch.Generator().manual_seed(7)
    iframe = torch.randint(0, 256, (batch, 3, size, size), generator=generator)
    motion = torch.randint(-60, 61, (batch, steps, 2, size, size), generator=generator)
    residual = torch.randint(-60, 61, (batch, steps, 3, size, size), generator=generator)
    return iframe.float(), motion.float(), residual.float()


@pytest.fixture
def net() -> HybridNet:
    torch.manual_seed(0)
    return HybridNet(small()).eval()


@pytest.mark.parametrize("size", [64, 97, 33])
def test_any_resolution_gives_logits(net: HybridNet, size: int) -> None:
    logits = net(*clip(2, size))
    assert logits.shape == (2, 5)
    assert logits.isfinite().all()


def test_forward_is_potentials_then_conventional(net: HybridNet) -> None:
    iframe, motion, residual = clip(2, 64)
    potentials = net.motion(motion), net.residual(residual)
    assert [p.shape for p in potentials] == [(2, 16, 32, 32)] * 2
    assert torch.equal(net(iframe, motion, residual), net.conventional(iframe, *potentials))


@pytest.mark.parametrize("source", [0, 1, 2])
def test_every_modality_matters(net: HybridNet, source: int) -> None:
    inputs = list(clip(1, 64))
    logits = net(*inputs)
    inputs[source] = torch.zeros_like(inputs[source])
    assert not torch.allclose(net(*inputs), logits)


def test_clips_of_a_batch_do_not_mix(net: HybridNet) -> None:
    together = net(*clip(3, 64))
    alone = torch.cat([net(*(x[i : i + 1] for x in clip(3, 64))) for i in range(3)])
    torch.testing.assert_close(together, alone)


def test_every_parameter_learns() -> None:
    torch.manual_seed(0)
    net = HybridNet(small())
    F.cross_entropy(net(*clip(4, 64)), torch.tensor([0, 1, 2, 3])).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_it_can_fit_a_batch() -> None:
    torch.manual_seed(0)
    net = HybridNet(small())
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    inputs, labels = clip(4, 32), torch.tensor([0, 1, 2, 3])
    for _ in range(15):
        optimizer.zero_grad()
        F.cross_entropy(net(*inputs), labels).backward()
        optimizer.step()
    assert torch.equal(net(*inputs).argmax(dim=1), labels)


def test_the_global_seed_fixes_the_start() -> None:
    starts = []
    for _ in range(2):
        torch.manual_seed(5)
        starts.append(HybridNet(small()).state_dict())
    assert all(torch.equal(starts[0][name], starts[1][name]) for name in starts[0])


def test_patches_are_padded_at_the_right_and_the_bottom() -> None:
    torch.manual_seed(0)
    embed = PatchEmbedding(2, 4, 8)
    x = torch.randn(1, 2, 11, 16)
    padded = torch.zeros(1, 2, 16, 16)
    padded[:, :, :11] = x
    weight, bias = embed.project.weight, embed.project.bias
    wanted = torch.zeros(1, 4, 2, 2)
    for row in range(2):
        for column in range(2):
            patch = padded[:, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
            wanted[:, :, row, column] = (patch * weight).sum(dim=(1, 2, 3)) + bias
    torch.testing.assert_close(embed(x), wanted)


def test_tokens_fold_back_where_they_came_from() -> None:
    """With its transformer's blocks taken out, the encoder only adds positions and normalises each token."""
    config = small(size=48)
    torch.manual_seed(0)
    encoder = Encoder(config)
    del encoder.transformer.stack[:-1]
    maps = tuple(torch.randn(2, config.dim, 3, 3) for _ in range(3))
    for i, found in enumerate(encoder(maps)):
        placed = maps[i] + encoder.space + encoder.modality[i]
        wanted = F.layer_norm(placed.movedim(1, -1), (config.dim,)).movedim(-1, 1)
        torch.testing.assert_close(found, wanted)


def test_rrdb_is_residual_in_residual() -> None:
    """Three dense blocks, each x + 0.2 f(x), within x + 0.2 g(x): only the last biases left, all is known by hand."""
    block = RRDB(2, 3)
    for parameter in block.parameters():
        torch.nn.init.zeros_(parameter)
    dense = [part for part in block.modules() if isinstance(part, DenseBlock)]
    assert [len(part.convs) for part in dense] == [5, 5, 5]
    for part in dense:
        part.convs[-1].bias.data.fill_(1.0)
    x = torch.randn(1, 2, 4, 4)
    torch.testing.assert_close(block(x), x + 0.2 * (x + 3 * 0.2))


def test_the_conventional_side_runs_in_onnx_runtime() -> None:
    """Fixed picture size, free batch; 90 is no multiple of the patch, and its maps none of the folded grid."""
    torch.manual_seed(0)
    size = 90
    net = HybridNet(small(size=size)).eval()
    side = -(-size // 2)
    shapes = (3, size, size), (16, side, side), (16, side, side)
    example = tuple(torch.rand(2, *shape) for shape in shapes)
    batch = torch.export.Dim("batch", min=1, max=64)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter deprecates parts of itself
        program = torch.onnx.export(
            net.conventional, example, dynamic_shapes=(tuple({0: batch} for _ in shapes),), dynamo=True, verbose=False
        )
        program.save(buffer)
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    for count in (1, 3):
        inputs = [torch.rand(count, *shape) * 255 for shape in shapes]
        with torch.no_grad():
            wanted = net.conventional(*inputs).numpy()
        names = [value.name for value in session.get_inputs()]
        found = session.run(None, {name: x.numpy() for name, x in zip(names, inputs, strict=True)})[0]
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())
