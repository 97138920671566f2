"""Weights of another training: what fits is taken, the rest is named (the paper's SS-v2 starts from K-400 so)."""

import torch
from torch import Tensor

from hybridnet.model.checkpoint import Checkpoint
from hybridnet.model.config import ModelConfig
from hybridnet.model.network import HybridNet

ENCODER = "conventional.encoder."
BY_PLACE = (  # tensors that belong to the first, second or third of a model's modalities, whichever that is
    *(f"{ENCODER}{part}" for part in ("modality", "transformer.stacks.", "transformer.levels.", "transformer.norms.")),
    "conventional.mixer.",
)
HELD = ("leak_logit", "threshold")  # of stm "fixed"


@torch.no_grad()
def take_tensors(model: HybridNet, start: Checkpoint) -> str:
    """Copy every tensor of the same name, shape and part into the model; a line that names those that were left.

    Left are also tensors of each modality where the two models have other modalities, and what stm "fixed" holds fixed.
    Labels play no part: a head of as many classes is taken whatever they are.
    """
    theirs, left = start.model.state_dict(), []
    for name, tensor in model.state_dict().items():
        other = theirs.pop(name, None)
        reason = _misfit(name, tensor, other, model.config, start.model.config)
        if other is not None and not reason:
            tensor.copy_(other)
        else:
            left.append(f"{name} ({reason})")
    taken = len(model.state_dict()) - len(left)
    line = f"{taken} tensors taken, {len(left)} left as they start"
    if left:
        line += f": {', '.join(left)}"
    return f"{line}; not used: {', '.join(theirs)}" if theirs else line


def _misfit(name: str, tensor: Tensor, other: Tensor | None, config: ModelConfig, theirs: ModelConfig) -> str:
    """Why a tensor cannot be taken, or nothing."""
    if other is None:
        return "not there"
    if other.shape != tensor.shape:
        return "of another shape"
    if config.modalities != theirs.modalities and name.startswith(BY_PLACE):
        return "of another modality"
    if config.stm == "fixed" and name.endswith(HELD):
        return "fixed"
    return ""
