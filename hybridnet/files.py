"""Files that appear whole or not at all, and errors of the disk in one line."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hybridnet.errors import OutputError


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Yield a hidden sibling path to write; on success it becomes `target`, on any error it is removed."""
    target = target.absolute()
    with disk_errors(target):
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
    work = Path(name)
    try:
        with disk_errors(target):
            yield work
            work.chmod(0o644)  # mkstemp made it private
            os.replace(work, target)
    finally:
        with suppress(FileNotFoundError):
            work.unlink()


@contextmanager
def disk_errors(target: Path) -> Iterator[None]:
    """Turn an operating-system error about `target` into a one-line OutputError."""
    try:
        yield
    except OSError as error:
        remedy = {
            errno.ENOSPC: "free some space and try again",
            errno.EDQUOT: "free some space and try again",
            errno.EFBIG: "raise the file size limit (ulimit -f) and try again",
        }.get(error.errno or 0, "check the path and its permissions")
        reason = error.strerror or str(error).splitlines()[0]
        raise OutputError(f"{target}: cannot be written ({reason}); nothing was kept; {remedy}") from error


def write_whole(target: Path, data: bytes) -> None:
    """Write `data` as the file `target`, whole or not at all; OutputError if it cannot be written."""
    with whole_file(target) as work:
        work.write_bytes(data)
