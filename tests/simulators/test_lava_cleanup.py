"""Whatever ends a run, Lava leaves no process and no shared memory behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import numpy as np
import pytest

from hybridnet.errors import BackendError
from hybridnet.spiking import Layer, SpikingGraph
from simulators import open_simulator, simulate
from simulators.lava_import import import_lava

pytest.importorskip("lava", reason="Lava is an extra; CI installs it")

GRAPH = SpikingGraph((Layer("c", "conv", np.ones((1, 1, 1, 1), int), threshold=1),), (1, 2, 2), 1, 2)
X = np.ones((2, 1, 2, 2), int)
PATIENCE = 60  # seconds until something has gone wrong
IN_A_THREAD = f"""
import sys, threading, time
sys.path.append({str(Path(__file__).parent)!r})
from test_lava_cleanup import GRAPH, X, open_simulator
def work():
    with open_simulator(GRAPH, "lava") as play:
        play(X)
        print("played", flush=True)
        time.sleep({PATIENCE})
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
HYBRIDNET = (sys.executable, "-c", "from deploy.cli import main; import sys; sys.argv[0] = 'hybridnet'; main()")


def below(pid: int) -> list[int]:
    """The processes that a process started and that live, but for Python's own resource tracker."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            if "resource_tracker" not in Path(f"/proc/{child}/cmdline").read_text():
                found += [child, *below(child)]
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def shared_memory(pid: int) -> set[Path]:
    """Python's shared memory that a process has mapped."""
    words = Path(f"/proc/{pid}/maps").read_text().split()
    return {Path(word) for word in words if word.startswith("/dev/shm/psm_")}


def open_files() -> set[str]:
    """The files and folders that are open in this process."""
    links = [os.readlink(descriptor) for descriptor in Path("/proc/self/fd").iterdir() if descriptor.is_symlink()]
    return {link for link in links if link.startswith("/") and not link.startswith("/proc/")}


def wait_for(condition: object) -> bool:
    end = time.monotonic() + PATIENCE
    while not (done := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return bool(done)


@pytest.fixture
def nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The test started processes that shared memory, and ends without any of either, nor threads and open files."""
    import_lava()
    threads = set(threading.enumerate())
    before = open_files()
    created: set[Path] = set()
    create = SharedMemory.__init__

    def create_and_tell(self: SharedMemory, *arguments: object, **options: object) -> None:
        create(self, *arguments, **options)
        created.add(Path("/dev/shm", self.name))

    monkeypatch.setattr(SharedMemory, "__init__", create_and_tell)
    yield
    assert multiprocessing.active_children() == []
    assert below(os.getpid()) == []
    assert created
    assert not any(file.exists() for file in created)
    assert wait_for(lambda: set(threading.enumerate()) <= threads)
    assert open_files() <= before


@pytest.mark.usefixtures("nothing_left")
def test_after_a_run():
    simulate(GRAPH, X, backend="lava", record=("spikes", "v"))


@pytest.mark.usefixtures("nothing_left")
def test_after_nothing_was_played():
    with open_simulator(GRAPH, "lava"):
        pass


@pytest.mark.usefixtures("nothing_left")
def test_after_a_process_of_lava_s_fails(monkeypatch):
    from simulators.lava_processes import conv

    def fail(self: object) -> None:
        raise ArithmeticError("a synapse gave way")

    monkeypatch.setattr(conv.MatrixConvModel, "run_spk", fail)
    with pytest.raises(BackendError, match=r"lava: ArithmeticError.'a synapse gave way'.; use backend='integer'"):
        simulate(GRAPH, X, backend="lava")


@pytest.mark.usefixtures("nothing_left")
def test_after_a_process_of_lava_s_cannot_be_built(monkeypatch, capsys):
    from simulators.lava_processes import conv

    def fail(self: object, proc_params: dict) -> None:
        raise ArithmeticError("no synapse grew")

    monkeypatch.setattr(conv.MatrixConvModel, "__init__", fail)
    with pytest.raises(BackendError, match="no synapse grew"):
        simulate(GRAPH, X, backend="lava")


@pytest.mark.usefixtures("nothing_left")
def test_after_a_process_of_lava_s_was_killed_behind_the_last_answer():
    with open_simulator(GRAPH, "lava") as play:
        play(X)
        # Not the one that keeps the shared memory, which is no SystemProcess.
        next(each for each in multiprocessing.active_children() if type(each).__name__ == "SystemProcess").kill()


@pytest.mark.usefixtures("nothing_left")
def test_after_a_run_that_was_broken_off():
    def broken_off() -> None:
        with open_simulator(GRAPH, "lava") as play:
            play(X)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()


@pytest.mark.usefixtures("nothing_left")
def test_after_a_run_in_a_thread():
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        pool.submit(simulate, GRAPH, X, backend="lava").result()


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_after_the_command_is_stopped(blow, tiny_bundle, clip, tmp_path):
    """Ctrl-C goes to the whole group, as a terminal sends it; the others to the command alone."""
    trace = tmp_path / "trace.npz"
    command = [*HYBRIDNET, "simulate", tiny_bundle, clip, "--backend", "lava", "--trace", trace]
    process = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert wait_for(lambda: process.poll() is not None or len(shared_memory(process.pid)) > 20)
    files, seen = shared_memory(process.pid), below(process.pid)
    assert files
    assert seen
    (os.killpg if blow == signal.SIGINT else os.kill)(process.pid, blow)
    _, complaint = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert wait_for(lambda: not any(map(alive, seen))), seen
    assert wait_for(lambda: not any(file.exists() for file in files))
    assert "Traceback" not in complaint
    assert not trace.exists()


def test_after_the_process_of_a_thread_is_killed():
    process = subprocess.Popen([sys.executable, "-c", IN_A_THREAD], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout.readline() == b"played\n"
    files, seen = shared_memory(process.pid), below(process.pid)
    assert files
    assert seen
    process.kill()
    process.communicate(timeout=PATIENCE)
    assert wait_for(lambda: not any(map(alive, seen))), seen
    assert wait_for(lambda: not any(file.exists() for file in files))
