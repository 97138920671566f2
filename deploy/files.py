"""Folders that appear whole or not at all, names that stay inside them, and the hashes that seal them."""

import hashlib
import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np

from hybridnet.errors import BundleError, OutputError
from hybridnet.files import disk_errors, landing


@contextmanager
def whole_folder(target: Path, marker: str) -> Iterator[Path]:
    """Yield a hidden folder to fill; on success it becomes `target`, on any error it is removed.

    An existing `target` is replaced only if it is empty or holds `marker` (it is one of ours); a link to such a folder
    stays a link. OutputError otherwise, before anything is written, and when the place cannot be written.
    """
    target = target.absolute()
    place = landing(target, stat.S_IFDIR)
    with disk_errors(target):
        if place.exists() and not _replaceable(place, marker):
            raise OutputError(f"{target}: exists and is not a bundle; choose another folder or remove it")
        place.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
    try:
        with disk_errors(target):
            yield work
            work.chmod(0o755)  # mkdtemp made it private
            _swap(work, place)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _replaceable(target: Path, marker: str) -> bool:
    return (target / marker).is_file() or not any(target.iterdir())


def _swap(work: Path, target: Path) -> None:
    """Put `work` in the place of `target`; a former `target` steps aside first and comes back if that fails."""
    if not target.exists():
        os.rename(work, target)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    os.rename(target, aside / "old")
    try:
        os.rename(work, target)
    except OSError:
        os.rename(aside / "old", target)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def inside(folder: Path, name: str) -> Path:
    """The file `name` of `folder`; BundleError if the name leaves the folder, by path or by symbolic link."""
    if not name or Path(name).is_absolute() or "\\" in name:
        raise BundleError(f"{folder}: file name {name!r} must be relative, inside the bundle; export the model again")
    path = Path(os.path.realpath(folder / name))  # `resolve` raises on links in a circle, up to Python 3.12
    if not path.is_relative_to(os.path.realpath(folder)):
        raise BundleError(f"{folder}: file name {name!r} leaves the bundle; export the model again")
    return path


class ArrayArchive:
    """An .npz written one array at a time, so that a long recording is never held in memory.

    level   of compression: 6, or down to 1 for a third of the time and files a tenth larger
    """

    def __init__(self, path: Path, level: int = 6) -> None:
        self._zip = zipfile.ZipFile(path, "w")
        self._level = level

    def __enter__(self) -> "ArrayArchive":
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def add(self, name: str, array: np.ndarray | np.generic) -> None:
        """Append `array` under `name`, readable by `numpy.load(allow_pickle=False)`."""
        # a fixed date keeps equal recordings equal byte for byte
        entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
        data = BytesIO()
        np.lib.format.write_array(data, np.asarray(array, order="C"), allow_pickle=False)
        self._zip.writestr(entry, data.getbuffer(), zipfile.ZIP_DEFLATED, self._level)
