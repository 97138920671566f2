"""The edge box: numpy, numba, av, h5py, onnxruntime, typer and no more."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BLOCKED = (
    "torch", "torchvision", "onnx", "onnxscript", "norse", "lava", "matplotlib", "safetensors", "scipy",
    "lightning_fabric", "sklearn",
)  # fmt: skip

BLOCK = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"{{name}} is blocked", name=name)

sys.meta_path.insert(0, Blocker())
"""


def run_blocked(code: str, *arguments: str) -> str:
    """Run `code` in a fresh interpreter in which the heavy packages cannot be imported."""
    done = subprocess.run(
        [sys.executable, "-c", BLOCK + code, *arguments], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_imports() -> None:
    run_blocked("import hybridnet, simulators, hardware, deploy.runtime, deploy.bundle, deploy.cli")


def test_predicts(tiny_bundle: Path, clip: Path) -> None:
    code = "from deploy import open_bundle; print(open_bundle(sys.argv[1]).predict(sys.argv[2]).labels[0])"
    assert run_blocked(code, str(tiny_bundle), str(clip)).strip()


def test_run_command(tiny_bundle: Path, clip: Path) -> None:
    code = "from deploy.cli import main; sys.argv[0] = 'hybridnet'; main()"
    shown = json.loads(run_blocked(code, "run", str(tiny_bundle), str(clip), "--json"))
    assert shown["videos"][0]["label"] in shown["videos"][0]["scores"]


def test_simulate_command(tiny_bundle: Path, clip: Path, tmp_path: Path) -> None:
    code = "from deploy.cli import main; sys.argv[0] = 'hybridnet'; main()"
    trace = tmp_path / "walk.npz"
    shown = json.loads(run_blocked(code, "simulate", str(tiny_bundle), str(clip), "--trace", str(trace), "--json"))
    assert shown["trace"] == str(trace)
    assert trace.exists()


def test_a_picture_says_what_it_needs(tiny_bundle: Path, clip: Path, tmp_path: Path) -> None:
    code = BLOCK + "from deploy.cli import main; sys.argv[0] = 'hybridnet'; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "simulate", str(tiny_bundle), str(clip), "--png", str(tmp_path / "a.png")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "hybridnet: --png: needs matplotlib; install it with `pip install 'hybridnet[report]'`\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        (("export", "net.safetensors", "-o", "out"), "pip install 'hybridnet[export]'"),
        (("train", "train.toml"), "pip install 'hybridnet[train]'"),
        (("evaluate", "net.safetensors", "videos"), "pip install 'hybridnet[train]'"),
    ],
    ids=["export", "train", "evaluate"],
)
def test_a_command_says_what_it_needs(command: tuple[str, ...], wanted: str, tmp_path: Path) -> None:
    code = BLOCK + "from deploy.cli import main; sys.argv[0] = 'hybridnet'; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 1
    assert wanted in done.stderr
    assert len(done.stderr.splitlines()) == 1
