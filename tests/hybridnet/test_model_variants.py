"""Every variant of the paper's ablations is built, learns, comes back from a file, and has the size a hand counts."""

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from hybridnet.errors import HybridnetError
from hybridnet.model.checkpoint import load_checkpoint, save_checkpoint
from hybridnet.model.config import ModelConfig, preset
from hybridnet.model.network import HybridNet
from variants import VARIANTS

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE, STEPS = 48, 3
DIM, WIDTH, DEPTH, FOLD, NF = 16, 6, 2, 8, 12  # token width, STM channels, blocks, folded and RRDB channels
PATCH, CELL = 16, 2  # pixels; the STM's stride

CHANGED = [
    *(dict(variant.changes) for variant in VARIANTS),
    {"accumulate": False, "subpel": "float"},
    {"order": "LS-T-GS", "stm": "convlstm", "modalities": "motion+residual", "encoder": "cross-attention"},
    {"order": "LS-GS-T", "stm": "common", "skips": False, "pooling": "class-token"},
    {"order": "LS-GS-T", "stm": "convlstm", "modalities": "motion", "mixer": False, "rrdb": False},
]


def name_of(variant: dict[str, object]) -> str:
    return ",".join(f"{key}={value}" for key, value in variant.items()) or "paper"


def config_of(**changes: object) -> ModelConfig:
    config = dataclasses.replace(preset("tiny", 5), size=SIZE, short_side=SIZE, steps=STEPS, dim=DIM, depth=DEPTH)
    config = dataclasses.replace(config, stm_channels=WIDTH, fold_channels=FOLD, rrdb_channels=NF, rrdb_growth=4)
    return dataclasses.replace(config, **changes)


def clip(batch: int = 4, size: int = SIZE) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(7)
    iframe = torch.randint(0, 256, (batch, 3, size, size), generator=generator)
    motion = torch.randint(-60, 61, (batch, STEPS, 2, size, size), generator=generator)
    residual = torch.randint(-60, 61, (batch, STEPS, 3, size, size), generator=generator)
    return iframe.float(), motion.float(), residual.float()


def made(variant: dict[str, object]) -> HybridNet:
    torch.manual_seed(0)
    return HybridNet(config_of(**variant))


def parameters(net: torch.nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize("variant", CHANGED, ids=name_of)
def test_every_parameter_learns(variant: dict[str, object]) -> None:
    net = made(variant)
    logits, spikes = net.run(*clip())
    assert logits.shape == (4, 5)
    assert set(spikes) == set(net.config.streams)
    F.cross_entropy(logits, torch.tensor([0, 1, 2, 3])).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("variant", CHANGED, ids=name_of)
def test_it_comes_back_from_a_file_and_reads_any_size(variant: dict[str, object], tmp_path: Path) -> None:
    net = made(variant).eval()
    save_checkpoint(tmp_path / "net.safetensors", net, list("abcde"))
    found = load_checkpoint(tmp_path / "net.safetensors").model
    assert found.config == net.config
    with torch.no_grad():
        for size in (SIZE, 57):  # 57 is no multiple of the patch
            assert torch.equal(found(*clip(1, size)), net(*clip(1, size)))


@pytest.mark.parametrize("variant", CHANGED, ids=name_of)
def test_what_is_no_modality_is_not_read_and_what_is_one_matters(variant: dict[str, object]) -> None:
    net = made(variant).eval()
    inputs = clip(1)
    with torch.no_grad():
        logits = net(*inputs)
        for place, modality in enumerate(("iframe", "motion", "residual")):
            less = list(inputs)
            less[place] = torch.zeros_like(less[place])
            matters = modality in net.config.modalities.split("+")
            assert torch.equal(net(*less), logits) != matters


def stm_parameters(channels: int, width: int, kernel: int) -> int:
    """Three layers: weights, a leak each, a threshold each but for the readout."""
    return channels * width * kernel**2 + 2 * 9 * width**2 + 3 + 2


GRID = SIZE // PATCH
BLOCK = 12 * DIM**2 + 13 * DIM
PATCHES = {"iframe": 3 * PATCH**2, "motion": WIDTH * (PATCH // CELL) ** 2, "residual": WIDTH * (PATCH // CELL) ** 2}
FOLDING = 10 * DIM * FOLD + 4 * FOLD
MIXING = (WIDTH + 1) * FOLD
STREAM = PATCHES["motion"] * DIM + DIM + DIM + FOLDING + MIXING + 2 * FOLD * NF  # all that a stream needs but its STM

CHANGES = [
    ({"modalities": "iframe+motion"}, -STREAM - stm_parameters(3, WIDTH, 3)),
    ({"modalities": "iframe+residual"}, -STREAM - stm_parameters(2, WIDTH, 3)),
    ({"modalities": "motion+residual"}, -(PATCHES["iframe"] * DIM + DIM) - DIM - FOLDING - FOLD * NF),
    ({"encoder": "separate"}, 2 * (DEPTH * BLOCK + 2 * DIM)),
    ({"encoder": "cross-attention"}, 2 * (DEPTH * BLOCK + 2 * DIM) + 3 * DEPTH * 2 * DIM),  # a norm for the others
    ({"stm": "common"}, -stm_parameters(2, WIDTH, 3)),
    ({"stm": "fixed"}, -2 * 5),
    ({"skips": False}, -3 * (DIM * FOLD + 2 * FOLD) - 2 * (MIXING + FOLD * NF)),
    ({"mixer": False}, 3 * DIM * NF - 3 * FOLDING - 2 * MIXING - 5 * FOLD * NF),
    ({"pooling": "class-token"}, 12 * NF**2 + 13 * NF + 2 * NF + NF),  # a block, a norm, the token
    (
        {"order": "LS-T-GS"},
        sum(stm_parameters(n, DIM, PATCH) - stm_parameters(n, WIDTH, 3) for n in (2, 3))
        - 2 * (PATCHES["motion"] * DIM + DIM)  # the patch embedding is the STM's
        + 2 * (DIM - WIDTH) * FOLD,
    ),
    (
        {"order": "LS-GS-T"},
        sum(stm_parameters(DIM, DIM, 1) - stm_parameters(n, WIDTH, 3) for n in (2, 3))
        + (5 * PATCH**2 - 2 * PATCHES["motion"]) * DIM
        + 2 * (DIM - WIDTH) * FOLD,
    ),
    (
        {"stm": "none"},
        -sum(stm_parameters(n, WIDTH, 3) for n in (2, 3))
        + STEPS * 5 * PATCH**2 * DIM
        - 2 * PATCHES["motion"] * DIM
        + (STEPS * 5 - 2 * WIDTH) * FOLD,
    ),
    (
        {"stm": "convlstm"},  # four gates, with a bias each; every cell reads its own state
        sum(4 * WIDTH * (9 * (n + WIDTH + 4 * WIDTH) + 3) - stm_parameters(n, WIDTH, 3) for n in (2, 3)),
    ),
]


@pytest.mark.parametrize(("variant", "change"), CHANGES, ids=lambda x: name_of(x) if isinstance(x, dict) else "")
def test_its_parameters_are_those_that_a_hand_counts(variant: dict[str, object], change: int) -> None:
    assert parameters(made(variant)) - parameters(made({})) == change


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"modalities": "motion+iframe"}, "modalities 'motion.iframe' must be iframe.motion.residual, iframe"),
        ({"modalities": ["motion"]}, "modalities .* must be iframe"),
        ({"order": "GS-T"}, "order 'GS-T' must be T-LS-GS, LS-T-GS or LS-GS-T"),
        ({"stm": "lstm"}, "stm 'lstm' must be full, none, common, convlstm or fixed"),
        ({"mixer": 1}, "mixer 1 must be true or false"),
        ({"modalities": "iframe", "stm": "none"}, "'none' .* about P-frames, and modalities 'iframe' has none"),
        ({"modalities": "iframe", "order": "LS-T-GS"}, "order 'LS-T-GS' are about P-frames"),
        ({"modalities": "iframe+motion", "stm": "common"}, "stm 'common' is for motion and residual together"),
        ({"stm": "none", "order": "LS-T-GS"}, "order 'LS-T-GS' moves the STM, and stm 'none' has none"),
        ({"modalities": "motion", "encoder": "separate"}, "encoder 'separate' takes two modalities"),
        ({"mixer": False, "skips": False}, "skips are the mixer's"),
        ({"rrdb_channels": 14, "pooling": "class-token"}, "rrdb_channels 14 must be a multiple of heads 4"),
        ({"order": "LS-T-GS", "patch": 24}, "layer conv1: 1152 weights per output channel, the limit is 1030"),
    ],
)
def test_values_that_are_unknown_or_contradict_each_other(changes: dict[str, object], line: str) -> None:
    with pytest.raises(HybridnetError, match=line):
        HybridNet(config_of(**changes))
