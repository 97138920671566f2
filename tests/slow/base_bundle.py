"""The base model end to end within 6 GiB: export, verify on every backend, run one clip. Takes some minutes.

make base    # or: python tests/slow/base_bundle.py
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
HYBRIDNET = Path(sys.executable).with_name("hybridnet")
LIMIT_GIB = 6.0


def processes_below(pid: int) -> list[int]:
    """A process and everything it started."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except FileNotFoundError:
        return []
    return [pid, *(below for child in text.split() for below in processes_below(int(child)))]


def memory_gib(pid: int) -> float:
    """Memory of a process and its children, shared pages counted once (PSS)."""
    kib = 0
    for each in processes_below(pid):
        try:
            lines = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        kib += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kib / 2**20


def measured(folder: str, *command: object) -> float:
    """Run a command in a folder; print and return the most memory it held."""
    words = [str(word) for word in command]
    print("$", Path(words[0]).name, *(word.removeprefix(f"{ROOT}/") for word in words[1:]), flush=True)
    start, peak = time.perf_counter(), 0.0
    process = subprocess.Popen(words, cwd=folder)
    while process.poll() is None:
        peak = max(peak, memory_gib(process.pid))
        time.sleep(0.1)
    print(f"  {peak:.2f} GiB at most, {time.perf_counter() - start:.0f} s, exit {process.returncode}\n", flush=True)
    if process.returncode:
        sys.exit(f"base: {Path(words[0]).name} {words[1]} failed")
    return peak


with tempfile.TemporaryDirectory() as folder:
    measured(folder, sys.executable, ROOT / "examples/1_checkpoint.py", "base", "base.safetensors")
    peaks = [
        measured(folder, HYBRIDNET, "export", "base.safetensors", "-o", "base.bundle"),
        measured(folder, HYBRIDNET, "verify", "base.bundle"),
        measured(folder, HYBRIDNET, "run", "base.bundle", ROOT / "examples/clips/walk.avi"),
    ]
if max(peaks) > LIMIT_GIB:
    sys.exit(f"base: {max(peaks):.2f} GiB is over the limit of {LIMIT_GIB} GiB")
