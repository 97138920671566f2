"""`hybridnet train`: what it says of an epoch."""

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.cli import app
from small_training import CONFIG, make_place


@pytest.mark.parametrize(("stm", "counts"), [("full", True), ("none", False)])
def test_the_line_of_an_epoch(
    stm: str, counts: bool, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rate of spikes where there are some to count."""
    monkeypatch.chdir(make_place(clips, tmp_path))
    text = CONFIG.replace('preset = "tiny"', f'preset = "tiny"\nstm = "{stm}"').replace("epochs = 2", "epochs = 1")
    Path("train.toml").write_text(text)
    result = CliRunner().invoke(app, ["train", "train.toml"])
    assert result.exit_code == 0
    line, *_ = result.stdout.splitlines()
    assert line.startswith("epoch 1 of 1: loss ")
    assert (" on test; spike rate " in line) == counts
    assert line.endswith(" s")
    with open("out/log.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert bool(row["spike_rate"]) == counts
