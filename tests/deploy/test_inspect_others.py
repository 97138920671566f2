"""`hybridnet inspect` of what is neither bundle, cache, .net file nor video: what it is, and which command takes it."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.cli import main

Inspect = Callable[[Path], str]


@pytest.fixture
def refusal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Inspect:
    """The line that `hybridnet inspect` refuses a path with, less the path."""

    def call(path: Path) -> str:
        monkeypatch.setattr(sys, "argv", ["hybridnet", "inspect", str(path)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        assert (left.value.code, out, err.count("\n")) == (1, "", 1)
        assert err.startswith(f"hybridnet: {path}: ")
        return err.removeprefix(f"hybridnet: {path}: ").rstrip("\n")

    return call


def test_checkpoint_and_its_config(refusal: Inspect, tiny_checkpoint: Path) -> None:
    export = f"hybridnet export {tiny_checkpoint} -o DIR makes a bundle of it"
    assert refusal(tiny_checkpoint) == f"is a checkpoint; {export}"
    assert (
        refusal(tiny_checkpoint.with_suffix(".json")) == f"is the config of the checkpoint {tiny_checkpoint}; {export}"
    )


@pytest.mark.parametrize("name", ["manifest.json", "conventional.onnx", "golden.npz"])
def test_parts_of_a_bundle(refusal: Inspect, tiny_bundle: Path, name: str) -> None:
    assert refusal(tiny_bundle / name) == f"is a part of the bundle {tiny_bundle}; hybridnet inspect {tiny_bundle}"


def test_files_by_themselves(refusal: Inspect, tiny_bundle: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_bundle / "conventional.onnx", tmp_path / "a.onnx")
    shutil.copy(tiny_bundle / "golden.npz", tmp_path / "a.npz")
    for name, content in {"a.json": "{}", "a.toml": "x = 1", "a.txt": "a line of words\n" * 300}.items():
        (tmp_path / name).write_text(content)
    assert "is an ONNX graph by itself" in refusal(tmp_path / "a.onnx")
    assert "numpy.load reads it" in refusal(tmp_path / "a.npz")
    assert "is no model and no video" in refusal(tmp_path / "a.json")
    assert "take it as --target" in refusal(tmp_path / "a.toml")
    assert "holds no video stream" in refusal(tmp_path / "a.txt")


def test_folders(refusal: Inspect, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    assert "not a bundle" in refusal(tmp_path)
    shutil.copy(clip, tmp_path / "deep/er/a.avi")
    assert refusal(tmp_path) == (
        f"is a folder of 1 video; inspect it by its own name, hybridnet run BUNDLE {tmp_path} takes it whole, and so "
        f"does hybridnet prepare {tmp_path} -o CACHE"
    )


def test_index_of_a_cache(refusal: Inspect, tmp_path: Path) -> None:
    (tmp_path / "index.jsonl").touch()
    assert refusal(tmp_path / "index.jsonl") == f"is the index of the cache {tmp_path}; hybridnet inspect {tmp_path}"
