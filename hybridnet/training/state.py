"""The state that a training goes on from: one safetensors file, its tensors and, in its header, the rest as JSON.

One file, so that it is of one moment whenever the run is killed. No random state is kept: every draw of a training
comes from the seed, the epoch and the video (`hybridnet.training.batches`), and the network draws nothing.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from hybridnet.errors import CheckpointError
from hybridnet.files import write_whole

STATE = "state.safetensors"
HEADER = "hybridnet"
MODEL, OPTIMISER = "model.", "optimiser."
MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # what torch's Adam keeps of a parameter


@dataclass
class Position:
    """How far a training is.

    config   as it was started, `TrainConfig.to_dict`
    data     hash of the videos and labels it was started with
    epoch    epochs done
    step     steps done of the next one
    sums     of what the log averages, over those steps and all processes
    rows     of the log, one an epoch
    """

    config: dict[str, Any]
    data: str
    epoch: int = 0
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    rows: list[dict[str, float]] = field(default_factory=list)


def save_state(path: Path, position: Position, model: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Write the state, whole or not at all; OutputError if it cannot be written."""
    tensors = {MODEL + name: tensor for name, tensor in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        for moment in MOMENTS:
            tensors[f"{OPTIMISER}{moment}.{name}"] = optimiser.state[parameter][moment]
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_whole(path, save(plain, {HEADER: json.dumps(asdict(position))}))


def read_position(path: Path) -> Position:
    """How far the training of a state is; CheckpointError if the file cannot be read."""
    try:
        with safe_open(path, "pt") as file:
            return Position(**json.loads(file.metadata()[HEADER]))
    except (OSError, SafetensorError, ValueError, TypeError, KeyError) as error:
        raise _unreadable(path, error) from error


def load_state(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Put the tensors of a state into a model and its optimiser; CheckpointError if they do not fit."""
    try:
        with safe_open(path, "pt") as file:
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        model.load_state_dict(
            {name.removeprefix(MODEL): tensor for name, tensor in tensors.items() if name.startswith(MODEL)}
        )
        for name, parameter in model.named_parameters():
            kept = {moment: tensors[f"{OPTIMISER}{moment}.{name}"] for moment in MOMENTS}
            # as fused Adam makes them: on the parameter's device, and all but the step's count in its memory format
            optimiser.state[parameter] = {
                moment: tensor.to(parameter.device) if moment == "step" else torch.empty_like(parameter).copy_(tensor)
                for moment, tensor in kept.items()
            }
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> CheckpointError:
    line = str(error).splitlines()[0] if str(error) else type(error).__name__
    return CheckpointError(f"{path}: no state to go on from ({line}); remove it to start anew, or give another out")
