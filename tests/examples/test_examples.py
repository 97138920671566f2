"""Every numbered example runs, in a newcomer's order."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_from_checkpoint_to_prediction(tmp_path: Path, clip: Path) -> None:
    checkpoint, bundle = tmp_path / "tiny.safetensors", tmp_path / "tiny.bundle"
    assert "15 classes" in run(EXAMPLES / "1_checkpoint.py", "tiny", checkpoint)
    assert "FAILED" not in run(EXAMPLES / "2_export.py", checkpoint, bundle)
    assert "paper-45nm" in run(EXAMPLES / "3_predict.py", bundle, clip)


def test_spiking_graph_is_the_same_on_both_simulators(tmp_path: Path) -> None:
    lines = run(EXAMPLES / "4_spiking_graph.py", tmp_path / "out.net").splitlines()
    integer, lava = (line.split(": ", 1) for line in lines)
    assert (integer[0], lava[0]) == ("integer", "lava")
    assert integer[1] == lava[1]


def test_stock_lava_plays_a_bundle_s_file(tiny_bundle: Path) -> None:
    """As `make stock-lava` does it on Python 3.10; here with the one patch that newer Pythons need, and no more."""
    code = (
        "import runpy, sys; from simulators.lava_import import import_lava; import_lava(); "
        "del sys.argv[0]; runpy.run_path(sys.argv[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, EXAMPLES / "5_stock_lava.py", tiny_bundle, "motion"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("motion: 50176 potentials from stock Lava, each of them the bundle's")
