"""A cache of prepared videos: its index, its one recipe, its lock, and what a killed run leaves in it.

Whatever moment a run is killed at, the AVIs in the cache are whole, and the index has one line per source and is good
up to its last line, which may be torn. An AVI whose line was never written tells by its metadata what it is.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import av

from hybridnet.errors import OutputError, VideoError
from hybridnet.files import disk_errors, write_whole
from hybridnet.video import Damage, Recipe

INDEX = "index.jsonl"
LOCK = ".lock"
MARK = "hybridnet prepare: "
LEFTOVER = re.compile(r"\.(.+\.avi|.+\.npy|index\.jsonl)\.[a-z0-9_]{8}")  # what `whole_file` calls its unfinished files


@dataclass(frozen=True)
class Entry:
    """What became of one source: a line of the index, all but `new`.

    source        path as it was given
    size          bytes of the source
    mtime_ns      when the source was last changed, nanoseconds since 1970
    sha256        hex hash of the source; "" if it could not be read, and then it is tried again next time
    recipe        how it was transcoded, or should have been
    output        path of the AVI in the cache, with "/" between folders; "" if rejected
    output_size   bytes of that AVI
    codec         FFmpeg's name of the source's codec; "" if rejected
    frames_in     coded frames of the source; more than `frames` where some were lost or never meant to be shown
    frames, gops  how many there are in the AVI
    damage        what of the source could not be read as it was coded; None if nothing is known of
    intra_share   mean share of its P-frames' area without motion vectors, 0..1; None without P-frames
    error         why the source was rejected, None if it was not
    new           whether this run decided it, rather than found it in the cache
    """

    source: str
    size: int
    mtime_ns: int
    sha256: str
    recipe: Recipe
    output: str = ""
    output_size: int = 0
    codec: str = ""
    frames_in: int = 0
    frames: int = 0
    gops: int = 0
    damage: Damage | None = None
    intra_share: float | None = None
    error: str | None = None
    new: bool = True

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, as in the index."""
        fields = asdict(self)
        del fields["new"]
        return fields


@contextmanager
def locked_cache(cache: Path, wait: bool = False) -> Iterator[None]:
    """The folder `cache`, made if need be, for one run alone; the system drops the lock when the process ends.

    wait   for another run that has it to end

    Raises OutputError if another run has it and is not waited for, or if it cannot be written.
    """
    import fcntl  # POSIX only, and nothing else here is

    with disk_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / LOCK).open("a+")
    with lock:
        with disk_errors(cache):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                # a worker that runs its parent's script anew would wait for its parent for ever
                if not wait or lock.read() == str(os.getppid()):
                    raise OutputError(f"{cache}: another run is writing to it; wait for its end") from None
                fcntl.flock(lock, fcntl.LOCK_EX)
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
        yield


def sweep(cache: Path) -> None:
    """Remove what a killed run left unfinished."""
    for folder, _, names in os.walk(cache):
        for name in names:
            if LEFTOVER.fullmatch(name):
                Path(folder, name).unlink(missing_ok=True)


def read_index(cache: Path) -> dict[str, Entry]:
    """The last entry of every source, by source, and of two that have one AVI the last; nothing is written.

    Raises OutputError for an index that another program wrote, or that cannot be read.
    """
    path = cache / INDEX
    with disk_errors(path):
        data = path.read_bytes() if path.exists() else b""
    *lines, tail = data.split(b"\n")
    entries: dict[str, Entry] = {}
    owners: dict[str, str] = {}
    for number, line in enumerate([*lines, tail], start=1):
        entry = _parse(line)
        if entry is None:
            if number <= len(lines):
                raise OutputError(f"{path}: line {number} is no entry of a cache; choose another folder or remove it")
            continue  # torn, or the nothing behind the last line
        entries.pop(entry.source, None)
        if entry.output:
            entries.pop(owners.get(entry.output, ""), None)
            owners[entry.output] = entry.source
        entries[entry.source] = entry
    return entries


def write_index(cache: Path, entries: Iterable[Entry]) -> None:
    """Make the index these entries and no more, whole or not at all; OutputError if it cannot be written."""
    path, data = cache / INDEX, b"".join(map(_line, entries))
    with disk_errors(path):
        before = path.read_bytes() if path.exists() else b""
    if data != before:
        write_whole(path, data)


def append_entry(cache: Path, entry: Entry) -> None:
    """Put an entry at the end of the index, on the disk when this returns; OutputError if it cannot be written."""
    path = cache / INDEX
    with disk_errors(path), path.open("ab") as index:
        index.write(_line(entry))
        index.flush()
        os.fsync(index.fileno())


def mark(sha256: str, recipe: Recipe) -> str:
    """What the metadata of an AVI say of its making."""
    return f"{MARK}sha256={sha256} {json.dumps(asdict(recipe))}"


def read_mark(output: Path) -> str | None:
    """What the metadata of a file say of its making, "" if it is no AVI of a cache; None if there is no file."""
    if not output.exists():
        return None
    try:
        with av.open(f"file:{output}", metadata_errors="replace") as container:
            comment = container.metadata.get("comment", "")
    except (av.error.FFmpegError, OSError):
        return ""
    return comment if comment.startswith(MARK) else ""


def require_recipe(cache: Path, recipe: Recipe, entries: Mapping[str, Entry]) -> None:
    """OutputError if the cache holds an AVI of another recipe: who reads it could not tell them apart."""
    found = next((entry.recipe for entry in entries.values() if (cache / entry.output).is_file()), None)
    if found is None:  # a run may have been killed before its first line
        marks = filter(None, map(read_mark, cache.rglob("[!.]*.avi")))
        found = next((Recipe(**json.loads(text[text.index("{") :])) for text in marks), None)
    if found not in (None, recipe):
        raise OutputError(f"{cache}: holds videos of {found}, these would be of {recipe}; give another cache")


def _line(entry: Entry) -> bytes:
    return json.dumps(entry.to_dict()).encode() + b"\n"


def _parse(line: bytes) -> Entry | None:
    try:
        fields = json.loads(line)
        recipe, damage = Recipe(**fields["recipe"]), fields["damage"] and Damage(**fields["damage"])
        return Entry(**{**fields, "recipe": recipe, "damage": damage}, new=False)
    except (ValueError, TypeError, KeyError, RecursionError, VideoError):
        return None
