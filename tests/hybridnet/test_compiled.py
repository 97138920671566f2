"""The cache of compiled kernels: kept where it can be, done without where it cannot, in processes of their own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

KERNEL = """
import numpy
from hybridnet.compiled import njit

@njit(nogil=True)
def double(x):
    return 2 * x

@njit(nogil=True)
def filled(size):
    result = numpy.empty(size)
    result[:] = 7
    return result
"""


def run(folder: Path, code: str, cache: Path | None = None) -> str:
    """Run code beside a module `kernel`, in a home that is no folder."""
    (folder / "kernel.py").write_text(KERNEL)
    (folder / "home").touch()
    here = Path(__file__).parents[2]
    environment = {
        **{name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"},
        "PYTHONPATH": f"{folder}{os.pathsep}{here}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(folder / "home"),
        "XDG_CACHE_HOME": str(folder / "home"),
        **({"NUMBA_CACHE_DIR": str(cache)} if cache else {}),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True, text=True, check=False, env=environment, cwd=folder,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def hits(times: int) -> str:
    """Code that calls the kernel and prints how often it came from the cache."""
    return f"from kernel import double; assert double(21) == 42; print(sum(double.stats.cache_hits.values()), {times})"


def test_the_second_process_finds_what_the_first_compiled(tmp_path):
    assert run(tmp_path, hits(0)) == "0 0"
    assert list((tmp_path / "__pycache__").glob("kernel.double*.nbc"))
    assert run(tmp_path, hits(1)) == "1 1"


def test_what_is_cached_runs_without_all_that_numba_can_compile(tmp_path):
    code = "import sys; from kernel import filled; print(filled(3), 'numba.np.linalg' in sys.modules)"
    assert run(tmp_path, code) == "[7. 7. 7.] True"  # compiled
    assert run(tmp_path, code) == "[7. 7. 7.] False"


@pytest.mark.parametrize("chosen", [False, True], ids=["beside the source", "NUMBA_CACHE_DIR"])
def test_without_a_folder_that_can_be_written(tmp_path, chosen):
    (tmp_path / "__pycache__").touch()  # a file where the folder should be: that stops even root
    assert run(tmp_path, hits(0), tmp_path / "home" / "cache" if chosen else None) == "0 0"
    assert (tmp_path / "__pycache__").read_bytes() == b""


def test_a_folder_that_goes_away_before_the_first_call(tmp_path):
    code = f"import shutil, kernel; shutil.rmtree({str(tmp_path / '__pycache__')!r}); " + hits(0)
    assert run(tmp_path, code) == "0 0"
    assert list((tmp_path / "__pycache__").glob("kernel.double*.nbc"))  # it is made again


@pytest.mark.parametrize("hit", [0, 1])
def test_a_folder_that_can_no_longer_be_written_or_read(tmp_path, hit):
    folder = str(tmp_path / "__pycache__")
    run(tmp_path, hits(hit))
    code = f"import pathlib, shutil, kernel; shutil.rmtree({folder!r}); pathlib.Path({folder!r}).touch(); " + hits(0)
    assert run(tmp_path, code) == "0 0"


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("length", [0, 100], ids=["empty", "cut short"])
def test_a_damaged_file_is_written_anew(tmp_path, suffix, length):
    run(tmp_path, hits(0))
    (damaged,) = (tmp_path / "__pycache__").glob(f"kernel.double*.{suffix}")
    damaged.write_bytes(damaged.read_bytes()[:length])  # as a machine that lost its power leaves it
    assert run(tmp_path, hits(0)) == "0 0"
    assert run(tmp_path, hits(1)) == "1 1"


def test_an_installation_that_cannot_be_written_reads_and_simulates(tmp_path):
    for package in ("hybridnet", "simulators"):
        here = Path(__file__).parents[2] / package
        copy = shutil.copytree(here, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
        for source in {file.parent for file in copy.rglob("*.py")}:
            (source / "__pycache__").touch()
    code = (
        "import numpy, simulators, hybridnet.video; from hybridnet.spiking import Layer, SpikingGraph; "
        f"assert hybridnet.video.__file__.startswith({str(tmp_path)!r}); "
        "graph = SpikingGraph((Layer('a', 'dense', numpy.array([[3]])),), (1,), 1, 1); "
        "print(simulators.simulate(graph, numpy.ones((2, 1), int)).potential)"
    )
    assert run(tmp_path, code) == "[384]"
