"""An interpreter that counts as hung once it has used up its processor time, or has waited far too long."""

import resource
import signal
import subprocess
from collections.abc import Sequence

import pytest

PROCESSOR_SECONDS = 120  # which a busy machine does not shorten
WAITING_SECONDS = 900  # for one that waits for something, and takes no processor time


def run_limited(
    name: str,
    command: Sequence[object],
    progress: str,
    processor: int = PROCESSOR_SECONDS,
    waiting: float = WAITING_SECONDS,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; the test fails, with its last line on stream `progress`, if it hangs."""
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        resource.prlimit(process.pid, resource.RLIMIT_CPU, (processor, processor + 10))
        waited = False
        try:
            out, err = process.communicate(timeout=waiting)
        except subprocess.TimeoutExpired:
            waited = True
            process.kill()
            out, err = process.communicate()
    said = {"stdout": out, "stderr": err}[progress].splitlines()[-1:]
    if waited:
        pytest.fail(f"{name} waits for ever on {said}")
    if process.returncode == -signal.SIGXCPU:
        pytest.fail(f"{name} hangs on {said}")
    return subprocess.CompletedProcess(command, process.returncode, out, err)
