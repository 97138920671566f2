"""A built wheel holds exactly the four packages, and runs from where it is unpacked."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = {"hybridnet", "simulators", "hardware", "deploy"}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel built from a copy of the sources (a build leaves its scratch beside them), unpacked."""
    work = tmp_path_factory.mktemp("wheel")
    source = work / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for room in (*ROOMS, "tests", "examples"):
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", work, source],
        check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = work.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(work / "site")
    return work / "site"


def test_holds_exactly_the_four_packages(unpacked: Path) -> None:
    folders = {path.name for path in unpacked.iterdir() if not path.name.endswith(".dist-info")}
    assert folders == ROOMS
    shipped = {path.relative_to(unpacked) for path in unpacked.rglob("*") if path.suffix in (".py", ".toml")}
    written = {
        path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*") if path.suffix in (".py", ".toml")
    }
    assert shipped == written


def test_runs(unpacked: Path, tiny_bundle: Path, clip: Path, tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(unpacked)!r}); import deploy.cli, hardware\n"
        f"assert hardware.__file__.startswith({str(unpacked)!r}), hardware.__file__\n"
        "sys.argv[0] = 'hybridnet'; deploy.cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", tiny_bundle, clip],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
