"""Ctrl-C, as a terminal sends it, to the command and all its processes: one line, exit 130, and nothing left behind."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

COMMAND = [
    *(sys.executable, "-c"),
    "import sys; sys.argv[0] = 'hybridnet'; from deploy import cli, console; console.INTERVAL = 3600.0; cli.main()",
]
Ready = Callable[[int], bool]


def stopped(arguments: list[object], ready: Ready) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command that hears Ctrl-C once `ready`, given its process id, says so.

    Its end is waited for where all that hold its stdout have gone: the workers too.
    """
    command = [*COMMAND, *map(str, arguments)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    with process:
        while not ready(process.pid):
            assert process.poll() is None, "it ended before it could be stopped"
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.fixture
def videos(clip: Path, tmp_path: Path) -> Path:
    """Twelve videos."""
    (tmp_path / "videos").mkdir()
    for k in range(12):
        shutil.copy(clip, tmp_path / f"videos/{k}.avi")
    return tmp_path / "videos"


def test_prepare_says_what_is_kept_and_goes_on(videos: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    index = cache / "index.jsonl"

    def lines() -> list[str]:
        return index.read_text().splitlines() if index.exists() else []

    code, out, err = stopped(["prepare", videos, "-o", cache], lambda _: len(lines()) >= 2)
    assert (code, out) == (130, "")
    kept = {json.loads(line)["output"] for line in lines()}
    assert 2 <= len(kept) < 12
    said = re.fullmatch(rf"hybridnet: {cache}: stopped after (\d+) of 12 videos; they are kept, .* goes on\n", err)
    assert said, err
    assert len(kept) - int(said[1]) in (0, 1)  # one may have been stopped between its line and its count
    assert not [name for name in os.listdir(cache) if name.startswith(".") and name != ".lock"]
    done = subprocess.run([*COMMAND, "prepare", videos, "-o", cache, "--json"], capture_output=True, check=True)
    again = json.loads(done.stdout)
    assert again["done"] + again["already_there"] == 12
    assert again["already_there"] >= len(kept)


def test_prepare_while_its_workers_still_start(videos: Path, tmp_path: Path) -> None:
    lock = tmp_path / "cache/.lock"
    code, out, err = stopped(["prepare", videos, "-o", tmp_path / "cache", "--json"], lambda _: lock.exists())
    assert code == 130
    assert len(err.splitlines()) == 1
    assert json.loads(out)["error"] in err
    assert "stopped after 0 of 12 videos; the same command goes on" in err


def test_simulate_leaves_no_trace(tiny_bundle: Path, clip: Path, tmp_path: Path) -> None:
    arguments = ["simulate", tiny_bundle, clip, "--trace", tmp_path / "trace.npz"]
    done = stopped(arguments, lambda _: any(file.stat().st_size for file in tmp_path.glob(".trace.npz.*")))
    assert done == (130, "", "hybridnet: stopped; a file or folder that was not finished is not there\n")
    assert os.listdir(tmp_path) == []


def test_processes_of_lava_go_without_a_word(tiny_bundle: Path, clip: Path) -> None:
    def has_children(process: int) -> bool:
        return len(Path(f"/proc/{process}/task/{process}/children").read_text().split()) > 4

    done = stopped(["simulate", tiny_bundle, clip, "--backend", "lava"], has_children)
    assert done == (130, "", "hybridnet: stopped; a file or folder that was not finished is not there\n")


def test_export_leaves_no_bundle(tiny_checkpoint: Path, tmp_path: Path) -> None:
    arguments = ["export", tiny_checkpoint, "-o", tmp_path / "a.bundle", "--json"]
    code, out, err = stopped(arguments, lambda _: any(tmp_path.glob(".a.bundle.*/motion.net")))
    assert code == 130
    assert len(err.splitlines()) == 1
    assert json.loads(out)["error"].startswith("stopped")
    assert os.listdir(tmp_path) == []


def test_one_that_python_ignores_is_not_lost() -> None:
    """Raised in a destructor, where Python lets no exception out."""
    code = """
import signal, time
from deploy.interrupts import raise_lost_interrupts

class Closing:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

raise_lost_interrupts()
try:
    closing = Closing()
    del closing
    time.sleep(20)
except KeyboardInterrupt:
    print("stopped")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "stopped\n", "")
