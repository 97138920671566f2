"""The rooms: imports point down only, and no file has outgrown one idea."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BELOW = {
    "hybridnet": {"hybridnet"},
    "simulators": {"simulators", "hybridnet"},
    "hardware": {"hardware", "hybridnet"},
    "deploy": {"deploy", "simulators", "hardware", "hybridnet"},
}
FILES = [file for room in BELOW for file in sorted((ROOT / room).rglob("*.py"))]


def imported(file: Path) -> set[str]:
    """Top-level packages a file imports anywhere, lazy imports included."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import; the rooms are named in full"
            found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_point_down(file: Path) -> None:
    room = file.relative_to(ROOT).parts[0]
    assert imported(file) & BELOW.keys() <= BELOW[room]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_one_idea_per_file(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 350


def test_torch_only_where_a_module_exports_or_trains() -> None:
    training = ("batches", "launch", "learner", "state", "synops", "train", "transfer")
    allowed = {"hybridnet/model", *(f"hybridnet/training/{name}.py" for name in training)}
    allowed |= {f"deploy/{name}.py" for name in ("export", "forms", "golden", "onnx_graph", "partition")}
    for file in FILES:
        name = file.relative_to(ROOT).as_posix()
        if "torch" in imported(file):
            assert any(name.startswith(place) for place in allowed), f"{name} imports torch"
