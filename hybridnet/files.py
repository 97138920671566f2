"""Files that appear whole or not at all, and errors of the disk in one line."""

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hybridnet.errors import OutputError

KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Yield a hidden path to write; on success it becomes `target`, on any error it is removed.

    A link to a file stays a link and the file it leads to is replaced. OutputError as `landing`, before anything is
    written, or if the place cannot be written.
    """
    target = target.absolute()
    place = landing(target)
    with disk_errors(target):
        handle, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
        os.close(handle)
    work = Path(name)
    try:
        with disk_errors(target):
            yield work
            work.chmod(0o644)  # mkstemp made it private
            os.replace(work, place)
    finally:
        with suppress(FileNotFoundError):
            work.unlink()


def check_place(target: Path) -> None:
    """OutputError as `whole_file`, without writing: before hours of work whose results are to go there."""
    place = landing(target)
    with disk_errors(target), tempfile.TemporaryFile(dir=place.parent):
        pass


def missing(path: str | os.PathLike[str]) -> str:
    """What is wrong with a path at which nothing exists, and the remedy."""
    if os.path.islink(path):
        return "is a symbolic link that leads nowhere or in a circle; mend or remove it"
    return "no such file or folder; check the path"


def landing(target: Path, kind: int = stat.S_IFREG) -> Path:
    """Where a write to `target` lands: on what its symbolic links lead to, or on itself if there is nothing yet.

    kind   what may be replaced there, as stat.S_IFMT tells it: S_IFREG or S_IFDIR

    Raises OutputError if something of another kind stands there, if links lead nowhere or in a circle, or if the path
    cannot be looked at. Touches nothing.
    """
    target = target.absolute()
    with disk_errors(target):
        try:
            found = stat.S_IFMT(target.stat().st_mode)
            if found == kind:
                return Path(os.path.realpath(target, strict=True))
        except FileNotFoundError:
            if not target.is_symlink():
                return target
            raise OutputError(
                f"{target}: is a symbolic link to {os.readlink(target)}, which does not exist; remove the link"
            ) from None
        link = "a symbolic link to " if target.is_symlink() else ""
        name = KINDS.get(found, "something else")
        raise OutputError(f"{target}: is {link}{name}, not {KINDS[kind]}, and was left alone; give another path")


def keep_apart(target: Path, *inputs: Path) -> None:
    """OutputError if a write to `target` would land on one of the inputs, or in one that is a folder."""
    place = landing(target)
    for given in inputs:
        real = Path(os.path.realpath(given))
        if real in (place.resolve(), *place.resolve().parents):
            where = "lies in" if given.is_dir() else "is"
            raise OutputError(f"{target}: {where} the input {given}, and was left alone; give another path")


@contextmanager
def disk_errors(target: Path) -> Iterator[None]:
    """Turn an operating-system error about `target` into a one-line OutputError."""
    try:
        yield
    except OSError as error:
        remedy = {
            errno.ENOSPC: "free some space and try again",
            errno.EDQUOT: "free some space and try again",
            errno.ELOOP: "remove the links that lead in a circle",
            errno.EFBIG: "raise the file size limit (ulimit -f) and try again",
        }.get(error.errno or 0, "check the path and its permissions")
        reason = error.strerror or str(error).splitlines()[0]
        raise OutputError(f"{target}: cannot be written ({reason}); nothing was kept; {remedy}") from error


def write_whole(target: Path, data: bytes) -> None:
    """Write `data` as the file `target`, whole or not at all; OutputError as `whole_file`."""
    with whole_file(target) as work:
        work.write_bytes(data)
