"""Weights of another training: what fits is taken, the rest is named (the paper's SS-v2 starts from K-400 so)."""

import torch

from hybridnet.model.checkpoint import Checkpoint
from hybridnet.model.network import HybridNet


@torch.no_grad()
def take_tensors(model: HybridNet, start: Checkpoint) -> str:
    """Copy every tensor of the same name and shape into the model; a line that names those that were left.

    Its labels play no part: a head of as many classes is taken whatever they are.
    """
    theirs, left = start.model.state_dict(), []
    for name, tensor in model.state_dict().items():
        other = theirs.pop(name, None)
        if other is not None and other.shape == tensor.shape:
            tensor.copy_(other)
        else:
            left.append(f"{name} ({'of another shape' if other is not None else 'not there'})")
    taken = len(model.state_dict()) - len(left)
    line = f"{taken} tensors taken, {len(left)} left as they start"
    if left:
        line += f": {', '.join(left)}"
    return f"{line}; not used: {', '.join(theirs)}" if theirs else line
