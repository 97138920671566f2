"""The model that ships is what its config, its log and the documents say."""

import csv
import json
import re
import tomllib
from pathlib import Path

import torch

from hybridnet.model.checkpoint import load_checkpoint
from hybridnet.training.config import read_config

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "tiny"
TRAINING = json.loads((FOLDER / "model.json").read_text())["training"]


def test_its_config_is_the_example() -> None:
    config = tomllib.loads((ROOT / "examples" / "train_tiny.toml").read_text())
    for section, keys in config.items():
        recorded = TRAINING["config"][section]
        assert {key: recorded[key] for key in keys} == keys, section
    for each in ("train_tiny_first", "train_tiny_second", "train_tiny"):
        read_config(ROOT / "examples" / f"{each}.toml")


def test_it_is_small_and_finite() -> None:
    file = FOLDER / "model.safetensors"
    assert file.stat().st_size < 6e6
    model = load_checkpoint(file).model
    assert sum(parameter.numel() for parameter in model.parameters()) < 2e6
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


def test_its_log_ends_in_the_accuracy_it_is_said_to_have() -> None:
    with open(FOLDER / "log.csv", newline="") as file:
        *_, last = csv.DictReader(file)
    assert float(last["test_top1"]) == TRAINING["top1"]
    assert int(last["epoch"]) == TRAINING["epochs"]
    stated = f"{TRAINING['top1']:.1%}"
    for document in ("README.md", "docs/benchmark.md"):
        assert re.search(rf"\b{re.escape(stated)}", (ROOT / document).read_text()), document
