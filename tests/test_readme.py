"""The README is true: its commands and its Python run, its map names files that exist."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BIN = Path(sys.executable).parent


@pytest.fixture
def folder(tiny_checkpoint: Path, tiny_bundle: Path, clips: Path, tmp_path: Path) -> Path:
    """A place as the README assumes it: the checkpoint, its bundle, the examples."""
    for file in tiny_checkpoint.parent.iterdir():
        shutil.copy(file, tmp_path)
    shutil.copytree(tiny_bundle, tmp_path / "tiny.bundle")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    return tmp_path


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


COMMANDS = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]


@pytest.mark.parametrize("command", COMMANDS)
def test_command_runs(folder: Path, command: str) -> None:
    words = [str(BIN / "hybridnet"), *command.split()[1:]]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr


def test_python_runs(folder: Path) -> None:
    (code,) = blocks("python")
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_stock_script_is_the_example() -> None:
    (code,) = blocks("py")
    assert (ROOT / "examples" / "5_stock_lava.py").read_text().endswith(code)


def test_both_commands_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert f"\n{target}: " in makefile


def test_map_names_what_exists() -> None:
    rows = re.findall(r"^\| `(\w+)/` \| (.*) \|$", README, re.MULTILINE)
    assert {room for room, _ in rows} >= {"deploy", "simulators", "hardware", "hybridnet"}
    for room, text in rows[:4]:
        for name in re.findall(r"`([\w/]+)`", text):
            assert (ROOT / room / f"{name}.py").exists() or (ROOT / room / name).exists(), f"{room}: {name}"


def test_every_module_of_deploy_is_on_the_map() -> None:
    for place in (ROOT / "deploy").iterdir():
        if place.suffix == ".py" and not place.stem.startswith("_"):
            assert f"`{place.stem}`" in README, place.stem
        if (place / "__init__.py").exists():
            assert f"`{place.name}/`" in README, place.name
