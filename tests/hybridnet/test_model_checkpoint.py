"""Checkpoints: what is written comes back, and everything damaged is named."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from hybridnet.errors import CheckpointError, OutputError
from hybridnet.model.checkpoint import load_checkpoint, save_checkpoint
from hybridnet.model.config import preset
from hybridnet.model.network import HybridNet

LABELS = ["jump", "kick", "wave"]


def small_net() -> HybridNet:
    torch.manual_seed(0)
    config = dataclasses.replace(preset("tiny", 3), size=32, steps=2, dim=16, depth=1, fold_channels=8)
    return HybridNet(dataclasses.replace(config, rrdb_channels=8, rrdb_growth=4))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A sound checkpoint."""
    path = tmp_path / "net.safetensors"
    save_checkpoint(path, small_net(), LABELS, {"epochs": 3, "note": "größer"})
    return path


def rewrite(path: Path, **changes: object) -> None:
    """Change keys of the JSON beside the checkpoint; None as a value stays None, ... removes the key."""
    about = json.loads(path.with_suffix(".json").read_text("utf-8")) | changes
    about = {key: value for key, value in about.items() if value is not ...}
    path.with_suffix(".json").write_text(json.dumps(about), "utf-8")


def test_round_trip(path: Path) -> None:
    net = small_net()
    found = load_checkpoint(str(path))
    assert found.labels == tuple(LABELS)
    assert found.training == {"epochs": 3, "note": "größer"}
    assert found.model.config == net.config
    assert not found.model.training
    assert all(torch.equal(found.model.state_dict()[name], tensor) for name, tensor in net.state_dict().items())
    assert all(p.requires_grad and p.device.type == "cpu" for p in found.model.parameters())
    inputs = torch.rand(1, 3, 32, 32), torch.ones(1, 2, 2, 32, 32), torch.ones(1, 2, 3, 32, 32)
    assert torch.equal(found.model(*inputs), net.eval()(*inputs))


def test_loading_leaves_the_global_seed_alone(path: Path) -> None:
    before = torch.get_rng_state()
    load_checkpoint(path)
    assert torch.equal(torch.get_rng_state(), before)


def test_saving_again_replaces_and_leaves_nothing_behind(path: Path) -> None:
    save_checkpoint(path, small_net(), ["a", "b", "c"])
    assert load_checkpoint(path).labels == ("a", "b", "c")
    assert load_checkpoint(path).training is None
    assert sorted(p.name for p in path.parent.iterdir()) == ["net.json", "net.safetensors"]


def test_the_json_is_the_agreed_one(path: Path) -> None:
    about = json.loads(path.with_suffix(".json").read_text("utf-8"))
    assert set(about) == {"schema", "model", "labels", "training"}
    assert about["schema"] == 1
    assert about["labels"] == LABELS
    assert about["model"] == dataclasses.asdict(small_net().config)


def test_saving_refuses_what_could_not_be_loaded(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    for call, line in [
        (lambda: save_checkpoint(tmp_path / "net.pt", small_net(), LABELS), r"ends in \.safetensors"),
        (lambda: save_checkpoint(path, small_net(), LABELS[:2]), "2 labels for 3 classes"),
        (lambda: save_checkpoint(path, small_net(), [1, 2, 3]), "labels must be a list of strings"),
        (lambda: save_checkpoint(path, small_net(), LABELS, {"loss": float("nan")}), "cannot be written as JSON"),
        (lambda: save_checkpoint(path, small_net(), LABELS, {"when": Path("x")}), "cannot be written as JSON"),
    ]:
        with pytest.raises(CheckpointError, match=line):
            call()
    with pytest.raises(OutputError, match="cannot be written"):
        save_checkpoint(tmp_path / "no" / "net.safetensors", small_net(), LABELS)
    assert not list(tmp_path.iterdir())


def test_missing_files_are_named(path: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"other\.safetensors: not found"):
        load_checkpoint(tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match=r"ends in \.safetensors"):
        load_checkpoint(tmp_path)
    path.with_suffix(".json").rename(tmp_path / "kept.json")
    with pytest.raises(CheckpointError, match=r"net\.json: not found"):
        load_checkpoint(path)
    (tmp_path / "kept.json").rename(path.with_suffix(".json"))
    path.unlink()
    with pytest.raises(CheckpointError, match=r"net\.safetensors: not found"):
        load_checkpoint(path)
    path.mkdir()
    with pytest.raises(CheckpointError, match=r"net\.safetensors: cannot be read: Is a directory"):
        load_checkpoint(path)


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\xff" * 64, b"cut"])
def test_garbage_tensors_are_refused(path: Path, damage: bytes) -> None:
    path.write_bytes(path.read_bytes()[:2000] if damage == b"cut" else damage)
    with pytest.raises(CheckpointError, match=r"net\.safetensors: not a readable safetensors file"):
        load_checkpoint(path)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000])
def test_bad_json_is_refused(path: Path, text: bytes) -> None:
    path.with_suffix(".json").write_bytes(text)
    with pytest.raises(CheckpointError, match=r"net\.json: not valid JSON"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"schema": 2}, "schema 2 is unknown, this version reads 1"),
        ({"schema": ...}, "schema None is unknown"),
        ({"labels": ["a"]}, "1 labels for 3 classes"),
        ({"labels": "abc"}, "labels must be a list of strings"),
        ({"labels": ...}, "keys model, schema, training must be labels, model, schema, training"),
        ({"extra": 1}, "keys extra, labels"),
        ({"model": 3}, "model must be an object"),
        ({"model": {}}, "missing keys accumulate, classes"),
        ({"training": []}, "training must be an object or null"),
    ],
)
def test_a_wrong_json_is_named(path: Path, changes: dict[str, object], line: str) -> None:
    rewrite(path, **changes)
    with pytest.raises(CheckpointError, match=rf"net\.json: .*{line}"):
        load_checkpoint(path)


def test_json_that_is_no_object_is_refused(path: Path) -> None:
    path.with_suffix(".json").write_text("[1]")
    with pytest.raises(CheckpointError, match=r"net\.json: holds no JSON object"):
        load_checkpoint(path)


def test_a_config_of_another_shape_names_the_tensor(path: Path) -> None:
    config = dataclasses.asdict(small_net().config)
    rewrite(path, model=config | {"rrdb_growth": 5})
    line = r"rrdb\.blocks\.0\.convs\.0\.weight is \(4, 8, 3, 3\) float32, the model wants \(5, 8, 3, 3\) float32"
    with pytest.raises(CheckpointError, match=line):
        load_checkpoint(path)
    rewrite(path, model=config | {"dim": 2**15, "fold_channels": 2**15})
    with pytest.raises(CheckpointError, match="the model wants"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("key", "line"), [("stm_channels", "layer conv2: .* weights per"), ("depth", "depth 99999 must")]
)
def test_a_config_no_model_can_have_is_refused(path: Path, key: str, line: str) -> None:
    rewrite(path, model=dataclasses.asdict(small_net().config) | {key: 30000 if key == "stm_channels" else 99999})
    with pytest.raises(CheckpointError, match=rf"net\.json: .*{line}"):
        load_checkpoint(path)


@pytest.mark.parametrize("name", ["motion.layers.0.threshold", "conventional.head.weight"])
def test_tensors_are_checked_one_by_one(path: Path, name: str) -> None:
    sound = load_file(path)
    for changed, line in [
        ({key: tensor for key, tensor in sound.items() if key != name}, f"tensor {name} is missing"),
        (sound | {"stranger": torch.zeros(2)}, "tensor stranger is not part of the model"),
        (sound | {name: torch.zeros(2, 2, 2)}, rf"tensor {name} is \(2, 2, 2\) float32, the model wants"),
        (sound | {name: sound[name].double()}, rf"tensor {name} is .* float64, the model wants"),
        (sound | {name: sound[name] * float("nan")}, f"tensor {name} holds values that are not finite"),
    ]:
        save_file(changed, path)
        with pytest.raises(CheckpointError, match=line):
            load_checkpoint(path)
