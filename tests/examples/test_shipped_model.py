"""The model that ships is what its config, its log and the documents say."""

import csv
import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from deploy import open_bundle
from deploy.export import export_bundle
from deploy.partition import streams
from hybridnet.model.checkpoint import load_checkpoint
from hybridnet.training.config import read_config

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "tiny"
BENCHMARK = ROOT / "docs" / "benchmark.md"
TRAINING = json.loads((FOLDER / "model.json").read_text())["training"]


def test_its_config_is_the_example() -> None:
    config = tomllib.loads((ROOT / "examples" / "train_tiny.toml").read_text())
    for section, keys in config.items():
        recorded = TRAINING["config"][section]
        assert {key: recorded[key] for key in keys} == keys, section
    for each in ROOT.glob("examples/train_tiny*.toml"):
        read_config(each)


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


def test_its_stms_hold_what_the_chips_integers_stand_for() -> None:
    for stm in streams(load_checkpoint(FOLDER / "model.safetensors").model).values():
        for layer in stm.chain:
            integers = layer.quantised()
            step = integers.scale * layer.input_limit
            np.testing.assert_allclose(layer.weight.detach() / step, integers.weight, rtol=1e-5)
            leak = torch.sigmoid(layer.leak_logit.detach().double()).item()
            assert 4096 * (1 - leak) == pytest.approx(integers.decay, abs=0.01)
            if layer.threshold is not None and integers.threshold is not None:
                assert layer.threshold.item() / integers.scale == pytest.approx(integers.threshold, abs=0.05)


def test_it_has_as_many_shipped_clips_right_as_is_said(tmp_path: Path) -> None:
    export_bundle(FOLDER / "model.safetensors", tmp_path / "tiny.bundle")
    bundle = open_bundle(tmp_path / "tiny.bundle")
    clips = sorted((ROOT / "examples" / "clips").glob("*.avi"))
    right = sum(bundle.predict(clip).labels[0] == clip.stem for clip in clips)
    said = re.search(r"Of the (\d+) clips in\s`examples/clips` it has (\d+) right", BENCHMARK.read_text())
    assert said is not None
    assert said.groups() == (str(len(clips)), str(right))
