"""The parts that a variant puts in another's place, each against its definition."""

import dataclasses

import pytest
import torch
from torch.nn import functional as F

from hybridnet.errors import HybridnetError
from hybridnet.model.config import ModelConfig, preset
from hybridnet.model.network import HybridNet
from hybridnet.model.pooling import ClassToken
from hybridnet.model.recurrent import Cell
from hybridnet.model.stateless import ParallelChannels
from hybridnet.model.transformers import CrossAttention, Separate

pytestmark = pytest.mark.usefixtures("one_thread")


def small(**changes: object) -> ModelConfig:
    config = dataclasses.replace(preset("tiny", 3), size=32, short_side=32, steps=3, dim=8, depth=2, stm_channels=4)
    return dataclasses.replace(config, **({"fold_channels": 4, "rrdb_channels": 8, "rrdb_growth": 2} | changes))


def frames(channels: int, size: int = 32, batch: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(-127, 128, (batch, 3, channels, size, size), generator=generator).float()


def test_a_cell_is_shis_equation() -> None:
    """Place by place: one 1x1 picture, of whose 3x3 kernels only the centre reads anything."""
    torch.manual_seed(0)
    cell = Cell(2, 3, 3, 1, 1)
    x = torch.randn(4, 1, 2, 1, 1)
    of_input, of_state, bias = cell.input.weight[..., 1, 1], cell.state.weight[..., 1, 1], cell.input.bias
    h, c = torch.zeros(3), torch.zeros(3)
    for found, step in zip(cell(x), x, strict=True):
        gates = of_input @ step.flatten() + of_state @ h + bias
        i, f, o, g = gates[:3], gates[3:6], gates[6:9], gates[9:]
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        torch.testing.assert_close(found.flatten(), h)


@pytest.mark.parametrize(("stream", "channels", "gain"), [("motion", 2, 3), ("residual", 3, 9)])
def test_what_replaces_an_stm_reads_its_input_as_large_as_one(stream: str, channels: int, gain: int) -> None:
    """A ConvLSTM of the stream is its cells one after the other, on frames of -gain..gain."""
    torch.manual_seed(0)
    x = frames(channels)
    none, lstm = (HybridNet(small(stm=stm)).modulators[stream] for stm in ("none", "convlstm"))
    torch.testing.assert_close(none(x), x.flatten(1, 2) * gain / 127)
    states = x.transpose(0, 1) * gain / 127
    for cell in lstm.cells:
        states = cell(states)
    torch.testing.assert_close(lstm(x), states[-1])


def test_without_an_stm_frames_lie_side_by_side() -> None:
    x = frames(2)
    found = ParallelChannels(2, small(), 3.0)(x)
    assert found.shape == (1, 6, 32, 32)
    torch.testing.assert_close(found[0, 4], x[0, 2, 0] / 127 * 3)
    with pytest.raises(HybridnetError, match="2 P-frames side by side must be the config's 3 steps"):
        ParallelChannels(2, small(), 3.0)(x[:, :2])


def test_a_common_stm_reads_motion_as_residual_without_its_third_channel() -> None:
    torch.manual_seed(0)
    net = HybridNet(small(stm="common"))
    stm = net.modulators["motion"]
    assert stm is net.modulators["residual"]
    motion = frames(2)
    wider = torch.cat([motion, torch.zeros_like(motion[:, :, :1])], dim=2)
    assert torch.equal(stm(motion), stm(wider))
    assert stm(motion).any()


def test_fixed_leaks_and_thresholds_are_those_an_stm_starts_with() -> None:
    torch.manual_seed(0)
    fixed = HybridNet(small(stm="fixed"))
    torch.manual_seed(0)
    full = HybridNet(small())
    assert {name for name, _ in fixed.named_buffers()} >= {"motion.layers.0.leak_logit", "motion.layers.0.threshold"}
    for stream, channels in (("motion", 2), ("residual", 3)):
        assert torch.equal(fixed.modulators[stream](frames(channels)), full.modulators[stream](frames(channels)))


def test_patches_first_is_the_patch_embedding_before_neurons() -> None:
    """The first layer's currents are those of a convolution over whole patches, the last filled up with zeros."""
    torch.manual_seed(0)
    stm = HybridNet(small(order="LS-T-GS")).modulators["motion"]
    x = frames(2, size=40)  # two and a half patches
    layer = stm.layers[0]
    assert layer.weight.shape == (8, 2, 16, 16)
    numbers = layer.integers()
    currents = F.conv2d(F.pad(x[0], (0, 8, 0, 8)), numbers.weight, stride=16)
    _, first_spikes, first_v = stm.trace(x[0])[0]
    fired = currents[0] > numbers.threshold
    assert torch.equal(torch.from_numpy(first_spikes[0]), fired)
    assert torch.equal(torch.from_numpy(first_v[0]), torch.where(fired, 0, 64 * currents[0]).int())


def test_separate_encoders_do_not_mix_and_cross_attention_does_not_look_at_itself() -> None:
    torch.manual_seed(0)
    config = small(depth=1)
    tokens = tuple(torch.randn(1, 4, 8) for _ in range(3))
    changed = (tokens[0] + torch.randn(1, 4, 8), *tokens[1:])
    separate = Separate(config, 3)
    for before, after, same in zip(separate(tokens), separate(changed), (False, True, True), strict=True):
        assert torch.equal(before, after) == same
    crossed = CrossAttention(config, 3)
    before, after = crossed(tokens), crossed(changed)
    assert not torch.equal(before[1], after[1])
    # Of its own tokens a place sees only itself, along the residual path.
    one = tokens[0].clone()
    one[0, 0] += torch.randn(8)
    alone = crossed((one, *tokens[1:]))
    torch.testing.assert_close(alone[0][0, 1:], before[0][0, 1:])
    assert not torch.allclose(alone[0][0, 0], before[0][0, 0])


def test_a_class_token_weighs_places_and_does_not_know_their_order() -> None:
    torch.manual_seed(0)
    pool = ClassToken(small())
    features = torch.randn(2, 8, 3, 3)
    turned = features.flip(2, 3)
    torch.testing.assert_close(pool(features), pool(turned))
    assert pool(features).shape == (2, 8)


def test_temporal_last_gives_each_step_its_own_tokens() -> None:
    """With a step's P-frames like the next one's, its STM reads the same tokens again; with others it does not."""
    torch.manual_seed(0)
    net = HybridNet(small(order="LS-GS-T")).eval()
    seen = []
    net.motion.register_forward_pre_hook(lambda module, x: seen.append(x[0]))
    motion, residual = frames(2), frames(3)
    motion[:, 1], residual[:, 1] = motion[:, 0], residual[:, 0]
    with torch.no_grad():
        net(torch.rand(1, 3, 32, 32) * 255, motion, residual)
    tokens = seen[0][0]
    assert tokens.shape == (3, 8, 2, 2)
    assert torch.equal(tokens, tokens.round())
    torch.testing.assert_close(tokens[0], tokens[1], atol=1, rtol=0)
    assert (tokens[0] - tokens[2]).abs().max() > 1
