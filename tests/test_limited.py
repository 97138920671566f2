"""What the fuzz tests count as hung: a loop without end, and a wait without end."""

import sys

import pytest

from limited import run_limited


@pytest.mark.parametrize(
    ("code", "words"),
    [("while True: pass", r"loop hangs on \['case 7'\]"), ("time.sleep(60)", r"loop waits for ever on \['case 7'\]")],
)
def test_hung(code: str, words: str) -> None:
    command = [sys.executable, "-c", f"import time; print('case 7', flush=True)\n{code}"]
    with pytest.raises(pytest.fail.Exception, match=words):
        run_limited("loop", command, "stdout", processor=1, waiting=1.0 if "sleep" in code else 60.0)


def test_done() -> None:
    done = run_limited("echo", [sys.executable, "-c", "print(3)"], "stdout")
    assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")
