"""The command line in tests: what a call leaves behind, and a call in an interpreter of its own."""

import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple


class Done(NamedTuple):
    """Exit code, stdout and stderr."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]


def hybridnet_apart(prelude: str, *arguments: object) -> Done:
    """The command line in an interpreter of its own, after `prelude`."""
    quiet = "from deploy import console; console.INTERVAL = 3600.0"
    code = f"{prelude}\n{quiet}\nimport sys; sys.argv[0] = 'hybridnet'; from deploy.cli import main; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return Done(done.returncode, done.stdout, done.stderr)


def assert_one_line(done: Done, *words: str) -> None:
    """Exit code 1, nothing on stdout, and one line on stderr that has those words."""
    assert (done.code, done.out) == (1, ""), done
    assert len(done.err.splitlines()) == 1, done.err
    assert done.err.startswith("hybridnet: ")
    for word in words:
        assert word in done.err
