"""Training for real, on a few shipped clips: repeatable and resumable."""

import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hybridnet.errors import ConfigError, DatasetError, HybridnetError, OutputError
from hybridnet.model.checkpoint import load_checkpoint, save_checkpoint
from hybridnet.model.network import HybridNet
from hybridnet.training.config import TrainConfig, read_config
from hybridnet.training.data import store_data
from hybridnet.training.train import train
from small_training import CLASSES, CONFIG, layers, make_place, rows, run_command, weights


@pytest.fixture(scope="module")
def place(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_place(clips, tmp_path_factory.mktemp("training"))


@pytest.fixture
def config(place: Path, monkeypatch: pytest.MonkeyPatch) -> TrainConfig:
    monkeypatch.chdir(place)
    return read_config(place / "train.toml")


def to(config: TrainConfig, out: str, **changes: object) -> TrainConfig:
    return replace(config, run=replace(config.run, out=out, **changes))


@pytest.fixture(scope="module")
def uninterrupted(place: Path) -> Path:
    """The folder of a run from beginning to end, started like the others in their tests."""
    before = Path.cwd()
    os.chdir(place)
    try:
        train(to(read_config(place / "train.toml"), "whole"))
    finally:
        os.chdir(before)
    return place / "whole"


def test_what_a_training_leaves(config: TrainConfig, uninterrupted: Path) -> None:
    assert {path.name for path in uninterrupted.iterdir()} == {
        ".lock", "log.csv", "model.json", "model.safetensors", "state.safetensors",
    }  # fmt: skip
    checkpoint = load_checkpoint(uninterrupted / "model.safetensors")
    assert checkpoint.labels == CLASSES
    assert checkpoint.training is not None
    facts = {key: checkpoint.training[key] for key in ("data", "train_videos", "test_videos", "epochs", "seed")}
    assert facts == {"data": "three clips", "train_videos": 6, "test_videos": 3, "epochs": 2, "seed": 0}
    header, *lines = rows(uninterrupted)
    assert [line[0] for line in lines] == ["1", "2"]
    assert float(lines[-1][header.index("test_top1")]) == checkpoint.training["top1"]
    torch.manual_seed(config.run.seed)
    start = HybridNet(config.model_config(3)).state_dict()
    for name, tensor in checkpoint.model.state_dict().items():
        assert not torch.equal(tensor, start[name]), f"{name} was not trained"
    for layer in layers(checkpoint.model):  # whose float model is the chip's
        integers = layer.quantised()
        step = integers.scale * layer.input_limit
        np.testing.assert_allclose(layer.weight.detach() / step, integers.weight, rtol=1e-5)


def test_same_seed_same_file(config: TrainConfig, uninterrupted: Path) -> None:
    train(to(config, "again"))
    assert weights(Path("again")) == weights(uninterrupted)
    assert rows(Path("again")) == rows(uninterrupted)
    train(to(config, "other", seed=1))
    assert weights(Path("other")) != weights(uninterrupted)


class Killed(Exception):
    pass


@pytest.mark.parametrize("at", [2, 4, 5])
def test_stopped_and_gone_on_with(config: TrainConfig, uninterrupted: Path, at: int) -> None:
    """Stopped in the middle of an epoch, before the first step of the second one, and in its evaluation."""
    out, calls = f"stopped{at}", 0

    def stop(what: str, *_: int) -> None:
        nonlocal calls
        calls += "epoch" in what
        if calls == at:
            raise Killed

    with pytest.raises(Killed):
        train(to(config, out), progress=stop)
    assert not (Path(out) / "model.safetensors").exists()
    told: list[str] = []
    train(to(config, out), tell=told.append)
    assert "going on after" in told[0]
    train(to(config, out), tell=told.append)
    assert "had ended after" in told[-1]
    assert weights(Path(out)) == weights(uninterrupted)
    assert rows(Path(out)) == rows(uninterrupted)


def test_the_command_killed_for_real(place: Path, uninterrupted: Path) -> None:
    text = CONFIG.replace('out = "out"', 'out = "killed"')
    process = run_command(place, text)
    with process:
        while not (place / "killed" / "state.safetensors").exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    stdout, stderr = run_command(place, text).communicate()
    assert "wrote killed/model.safetensors" in stdout, stderr
    assert weights(place / "killed") == weights(uninterrupted)
    assert (place / "killed" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_another_training_is_not_gone_on_with(config: TrainConfig, uninterrupted: Path, place: Path) -> None:
    shutil.copytree(uninterrupted, "finished", dirs_exist_ok=True)
    before = weights(Path("finished"))
    assert train(to(config, "finished"))[-1]["epoch"] == 2  # done already
    assert weights(Path("finished")) == before
    shutil.copytree(uninterrupted, "kept", dirs_exist_ok=True)
    slower = replace(config, optimiser=replace(config.optimiser, learning_rate=0.1))
    with pytest.raises(ConfigError, match=r"optimiser.learning_rate 0.001, the config says 0.1; give another run.out"):
        train(to(slower, "whole"))
    (Path("kept") / "state.safetensors").write_bytes(b"nonsense")
    with pytest.raises(HybridnetError, match=r"kept/state.safetensors: no state to go on from"):
        train(to(config, "kept"))


def test_a_start_from_other_weights(config: TrainConfig, uninterrupted: Path, place: Path) -> None:
    """All but the head, of two classes here, is what it was, and one step of next to no length leaves it so."""
    shutil.copytree(place / "videos", "fewer", ignore=lambda *_: ["walk"], dirs_exist_ok=True)
    fewer = replace(to(config, "started", epochs=1), data=replace(config.data, root="fewer"))
    fewer = replace(fewer, optimiser=replace(config.optimiser, learning_rate=1e-30))
    told: list[str] = []
    train(fewer, init=uninterrupted / "model.safetensors", tell=told.append)
    left = "conventional.head.weight (of another shape), conventional.head.bias (of another shape)"
    assert told[0].endswith(f"2 left as they start: {left}")
    before, after = (load_file(out / "model.safetensors") for out in (uninterrupted, Path("started")))
    for name, tensor in after.items():
        if "head" not in name and "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(tensor, before[name], msg=name)
    with pytest.raises(ConfigError, match=r"init.sha256 '\w{64}', the config says None"):
        train(fewer)


def test_a_run_killed_before_its_log_was_there(config: TrainConfig, uninterrupted: Path) -> None:
    shutil.copytree(uninterrupted, "unlogged")
    log = Path("unlogged") / "log.csv"
    before = log.read_text()
    log.unlink()
    drawn: list[Path] = []
    train(to(config, "unlogged"), after_epoch=drawn.append)
    assert log.read_text() == before
    assert drawn == [Path("unlogged")]


def test_thresholds_stay_above_zero(config: TrainConfig, uninterrupted: Path) -> None:
    """The chip has none below one unit; a float model with a lower one would fire where the chip is silent."""
    found = load_checkpoint(uninterrupted / "model.safetensors")
    thresholds = {name: p for name, p in found.model.named_parameters() if name.endswith("threshold")}
    with torch.no_grad():
        for threshold in thresholds.values():
            threshold.fill_(-0.5)
    save_checkpoint(Path("below.safetensors"), found.model, found.labels)
    slow = replace(to(config, "risen", epochs=1), optimiser=replace(config.optimiser, learning_rate=1e-30))
    train(slow, init=Path("below.safetensors"))
    spiking = [layer for layer in layers(load_checkpoint(Path("risen") / "model.safetensors").model) if layer.spiking]
    assert len(spiking) == len(thresholds) == 4
    for layer in spiking:
        assert layer.threshold is not None
        assert layer.threshold.item() == pytest.approx(0.01, abs=layer.quantised().scale)


@pytest.mark.skipif(torch.cuda.is_available(), reason="has one")
def test_without_the_gpu_that_is_asked_for(config: TrainConfig) -> None:
    with pytest.raises(ConfigError, match=r"run: .* gpu backend found; change run.accelerator or run.processes"):
        train(to(config, "gpu", accelerator="gpu"))


def test_what_stops_a_training(config: TrainConfig) -> None:
    with pytest.raises(DatasetError, match="no videos of split 'val'; its splits are test, train"):
        train(replace(to(config, "none"), data=replace(config.data, test="val")))
    with pytest.raises(ConfigError, match=r"run.nodes is 2; start it with torchrun"):
        train(to(config, "none", nodes=2))
    with pytest.raises(DatasetError, match="6 training videos do not go round 8 processes"):
        train(to(config, "none", processes=8, batch=8))
    with pytest.raises(ConfigError, match=r"run.batch is 1: one clip a process, .*; raise run.batch or run.segments"):
        train(to(config, "none", batch=1, segments=1))
    wild = replace(config, optimiser=replace(config.optimiser, learning_rate=1e30, warmup=0.0))
    with pytest.raises(HybridnetError, match=r"wild: the loss is nan in epoch \d; lower optimiser.learning_rate"):
        train(to(wild, "wild"))
    Path("file").write_text("")
    with pytest.raises(OutputError, match="file: cannot be written"):
        train(to(config, "file"))


def test_an_unreadable_video_is_left_out_and_named(config: TrainConfig, place: Path) -> None:
    shutil.copytree(place / "videos", "damaged", dirs_exist_ok=True)
    Path("damaged/train/walk/bad.avi").write_bytes(b"no video")
    told: list[str] = []
    data = store_data(replace(config.data, root="damaged"), config.preprocessing(), workers=2, tell=told.append)
    assert len(told) == 1
    assert told[0].startswith("left out: damaged/train/walk/bad.avi: ")
    assert len(data.train) == 6
