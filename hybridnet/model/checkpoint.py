"""Checkpoints: the tensors in PATH.safetensors, what they mean in PATH.json beside it. Nothing in them is executed."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from hybridnet.errors import CheckpointError, HybridnetError, VideoError
from hybridnet.files import landing, write_whole
from hybridnet.model.config import ModelConfig
from hybridnet.model.network import HybridNet
from hybridnet.video.sampling import Preprocessing

SCHEMA = 1
SUFFIX = ".safetensors"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A model in evaluation mode on the CPU, its labels (one per class), and how it was trained (None if unknown)."""

    model: HybridNet
    labels: tuple[str, ...]
    training: dict[str, Any] | None

    @property
    def preprocessing(self) -> Preprocessing:
        """How videos become what the model reads; of each as many clips as its training looked at, where it says so."""
        found: Any = self.training
        for key in ("config", "data", "triplets"):
            found = found.get(key) if isinstance(found, dict) else None
        return self.model.config.preprocessing(Preprocessing.triplets if found is None else found)


def save_checkpoint(
    path: str | Path, model: HybridNet, labels: Sequence[str], training: dict[str, Any] | None = None
) -> None:
    """Write `path` (.safetensors) and the JSON beside it; each file appears whole or not at all.

    Raises CheckpointError for another suffix, labels that do not match the classes, or training that JSON cannot hold;
    OutputError for a place that cannot be written.
    """
    path = _checked(path)
    _check_labels(path, list(labels), model.config.classes)
    about = {"schema": SCHEMA, "model": asdict(model.config), "labels": list(labels), "training": training}
    try:
        text = json.dumps(about, indent=2, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: training notes cannot be written as JSON: {error}") from error
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    beside = path.with_suffix(".json")
    landing(beside)  # before half of the pair is written
    write_whole(path, save(tensors))
    write_whole(beside, text.encode())


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint written by `save_checkpoint`; CheckpointError names what is missing, damaged or misfits."""
    path = _checked(path)
    beside = path.with_suffix(".json")
    tensors = _read_tensors(path)
    about = _read_about(beside)
    try:
        config = ModelConfig.from_dict(about["model"])
        with torch.device("meta"):  # shapes only: no memory is claimed before the tensors are known to fit
            model = HybridNet(config)
    except HybridnetError as error:
        raise CheckpointError(f"{beside}: {error}") from error
    _check_labels(beside, about["labels"], config.classes)
    _check_tensors(path, tensors, model.state_dict())
    model.load_state_dict(tensors, assign=True)
    checkpoint = Checkpoint(model.eval(), tuple(about["labels"]), about["training"])
    try:
        _ = checkpoint.preprocessing
    except VideoError as error:
        raise CheckpointError(f"{beside}: training.config.data: {error}") from error
    return checkpoint


def _checked(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix != SUFFIX:
        raise CheckpointError(f"{path}: a checkpoint ends in {SUFFIX}; give that file")
    return path


def _read_about(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not valid JSON: {error}; save the checkpoint again") from error
    if not isinstance(about, dict):
        raise CheckpointError(f"{path}: holds no JSON object; save the checkpoint again")
    if about.get("schema") != SCHEMA:
        raise CheckpointError(f"{path}: schema {about.get('schema')!r} is unknown, this version reads {SCHEMA}")
    wanted = {"schema", "model", "labels", "training"}
    if set(about) != wanted:
        raise CheckpointError(f"{path}: keys {', '.join(sorted(about))} must be {', '.join(sorted(wanted))}")
    if not isinstance(about["model"], dict):
        raise CheckpointError(f"{path}: model must be an object; save the checkpoint again")
    if not isinstance(about["training"], dict | None):
        raise CheckpointError(f"{path}: training must be an object or null; save the checkpoint again")
    return about


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path}: not found; a checkpoint is a {SUFFIX} file with a .json of the same name"
        ) from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load(_read(path))
    except SafetensorError as error:
        raise CheckpointError(f"{path}: not a readable safetensors file: {error}; save the checkpoint again") from error


def _check_labels(path: Path, labels: Any, classes: int) -> None:
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise CheckpointError(f"{path}: labels must be a list of strings")
    if len(labels) != classes:
        raise CheckpointError(f"{path}: {len(labels)} labels for {classes} classes; give one per class")


def _check_tensors(path: Path, found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    for name in sorted(wanted.keys() - found.keys()):
        raise CheckpointError(f"{path}: tensor {name} is missing; the config beside it is of another model")
    for name in sorted(found.keys() - wanted.keys()):
        raise CheckpointError(f"{path}: tensor {name} is not part of the model its config describes")
    for name, model_tensor in wanted.items():
        tensor = found[name]
        if (tensor.shape, tensor.dtype) != (model_tensor.shape, model_tensor.dtype):
            raise CheckpointError(
                f"{path}: tensor {name} is {_form(tensor)}, the model wants {_form(model_tensor)}; "
                "the config beside it is of another model"
            )
        if not tensor.isfinite().all():
            raise CheckpointError(f"{path}: tensor {name} holds values that are not finite; the training diverged")


def _form(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
