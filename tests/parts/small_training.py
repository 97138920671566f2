"""A small training: its config, its data, and the command that runs it in a process of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from hybridnet.model.network import HybridNet
from hybridnet.model.neurons import ConvLIF

ROOT = Path(__file__).parents[2]
CLASSES = ("jump", "run", "walk")
CONFIG = """
[data]
name = "three clips"
layout = "folder"
root = "videos"
cache = "arrays"
triplets = 2

[model]
preset = "tiny"
size = 32
short_side = 40
stm_channels = 4
dim = 16
depth = 1
fold_channels = 8
rrdb_channels = 8
rrdb_growth = 4

[augmentation]
scales = [1.0, 0.8]

[optimiser]
schedule = "cosine"
warmup = 1

[spikes]
synops_budget = 1000

[run]
out = "out"
epochs = 2
batch = 2
segments = 2
save_every = 1
threads = 1
"""


def make_place(clips: Path, place: Path) -> Path:
    """The folder with a config and its data: six training clips of three classes, three test clips."""
    for name in CLASSES:
        for split, copies in (("train", 2), ("test", 1)):
            (place / "videos" / split / name).mkdir(parents=True)
            for k in range(copies):
                shutil.copy(clips / f"{name}.avi", place / "videos" / split / name / f"{k}.avi")
    (place / "train.toml").write_text(CONFIG)
    return place


def run_command(place: Path, text: str, *more: str) -> "subprocess.Popen[str]":
    (place / "command.toml").write_text(text)
    code = "from deploy.cli import main\nif __name__ == '__main__':\n    main()\n"
    (place / "run_hybridnet.py").write_text(code)
    return subprocess.Popen(
        [sys.executable, *more, str(place / "run_hybridnet.py"), "train", "command.toml"],
        cwd=place, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def weights(out: Path) -> bytes:
    return (out / "model.safetensors").read_bytes()


def rows(out: Path) -> list[list[str]]:
    """Of the log, without the seconds."""
    return [line.split(",")[:-1] for line in (out / "log.csv").read_text().splitlines()]


def layers(model: HybridNet) -> list[ConvLIF]:
    return [module for module in model.modules() if isinstance(module, ConvLIF)]
