"""Which weights of another training are taken: each goes to the same part of the model, or is left and named."""

from dataclasses import replace

import pytest
import torch

from hybridnet.model.checkpoint import Checkpoint
from hybridnet.model.config import ModelConfig, preset
from hybridnet.model.network import HybridNet
from hybridnet.training.transfer import take_tensors

SMALL = replace(preset("tiny", 2), size=16, short_side=16, steps=4, stm_channels=3, dim=8, heads=2)


def start(config: ModelConfig, theirs: ModelConfig) -> tuple[HybridNet, HybridNet, str]:
    """(a model that took weights, the other it took them from, what was said); all random, and different."""
    models = []
    for seed, each in enumerate((config, theirs)):
        torch.manual_seed(seed)
        models.append(HybridNet(each))
    with torch.no_grad():
        for name, parameter in models[1].named_parameters():
            if name.endswith(("leak_logit", "threshold")):
                parameter.fill_(3.0)
    return models[0], models[1], take_tensors(models[0], Checkpoint(models[1], ("a", "b"), None))


def named(line: str) -> set[str]:
    return {part.split(" ")[0] for part in line.split(": ", 1)[1].split("; ")[0].split(", ")}


@pytest.mark.parametrize(
    ("encoder", "by_modality"),
    [
        ("unified", "conventional.encoder.modality"),
        ("separate", "conventional.encoder.transformer.stacks.1."),
        ("cross-attention", "conventional.encoder.transformer.levels.0.1."),
    ],
)
def test_no_modality_gets_the_weights_of_another(encoder: str, by_modality: str) -> None:
    """These parts are numbered, so motion would take the residual's, all of them being of one shape."""
    config = replace(SMALL, encoder=encoder)
    ours, theirs, line = start(
        replace(config, modalities="iframe+motion"), replace(config, modalities="iframe+residual")
    )
    left = named(line)
    for part in ("conventional.mixer.folding.1.", "conventional.mixer.mixing.0.", "motion.layers.0.", by_modality):
        assert any(name.startswith(part) for name in left), part
    assert not any(name.startswith("conventional.spatial.iframe.") for name in left)
    other = theirs.state_dict()
    for name, tensor in ours.state_dict().items():
        if name in other and tensor.ndim > 1 and tensor.shape == other[name].shape:
            assert torch.equal(tensor, other[name]) == (name not in left), name


def test_all_of_the_same_model() -> None:
    ours, theirs, line = start(SMALL, SMALL)
    assert line.endswith("0 left as they start")
    assert all(torch.equal(tensor, theirs.state_dict()[name]) for name, tensor in ours.state_dict().items())


def test_what_is_fixed_stays_as_it_starts() -> None:
    ours, _, line = start(replace(SMALL, stm="fixed"), SMALL)
    held = {name: x.item() for name, x in ours.named_buffers() if name.endswith(("leak_logit", "threshold"))}
    assert set(held.values()) == {1.0, 0.5}
    assert named(line) == set(held)
