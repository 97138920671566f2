"""What a data set is, and how the videos its lists name are matched with the videos on disk."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hybridnet.errors import DatasetError, VideoError
from hybridnet.video.probe import probe

VIDEO_SUFFIXES = frozenset(
    {
        *(".avi", ".divx", ".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".mkv", ".webm", ".ogv", ".flv", ".f4v"),
        *(".wmv", ".asf", ".mpg", ".mpeg", ".mpe", ".m2v", ".vob", ".ts", ".mts", ".m2ts", ".mxf", ".y4m"),
        *(".h263", ".h264", ".264", ".hevc", ".265"),
    }
)
MAX_DEPTH = 3  # folders between the root and a video, split/class/video being the deepest layout

Key = Callable[[PurePosixPath], str]


@dataclass(frozen=True)
class Item:
    """One video: its path relative to the root, its label (an index into `Dataset.labels`) and its split."""

    video: Path
    label: int
    split: str


@dataclass(frozen=True)
class Report:
    """Where lists and disk differ; paths relative to the root, ascending.

    missing      named by a list, not on disk (with the list's own suffix)
    unlisted     videos on disk that no list names
    unreadable   named and on disk, but empty or, if looked at, not a video, or one that cannot be read to its end
    """

    missing: tuple[Path, ...] = ()
    unlisted: tuple[Path, ...] = ()
    unreadable: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """Labels in their official order, the usable items in the order of the lists, and the report of what is not."""

    labels: tuple[str, ...]
    items: tuple[Item, ...]
    report: Report


@dataclass(frozen=True)
class Entry:
    """One line of a list: a video, its label and split (None: known, in no split), and where it stands.

    `alias` is the key of another file that will do if the video is not on disk.
    """

    video: PurePosixPath
    label: int
    split: str | None
    source: str
    alias: str | None = None


def path_key(video: PurePosixPath) -> str:
    """A video by its path without suffix, since a prepared mirror may have another."""
    return video.with_suffix("").as_posix()


def match(root: Path, labels: Iterable[str], entries: Iterable[Entry], check: bool, key: Key) -> Dataset:
    """The data set that `entries` describe, as far as it is on disk under `root`.

    check   demux every video from end to end; otherwise only empty files count as unreadable
    key     what a listed video and the one on disk have in common, the suffix never

    Raises DatasetError if nothing listed is on disk, two files fit one entry, or two entries that differ fit one file.
    """
    videos = find_videos(root)
    table = defaultdict(list)
    for found in videos:
        table[key(found)].append(found)
    taken: dict[PurePosixPath, Entry] = {}
    items, missing, unreadable = [], [], []
    for entry in entries:
        video = _look_up(root, entry, table, key)
        if video is None:
            if entry.split is not None:
                missing.append(Path(entry.video))
            continue
        before = taken.setdefault(video, entry)
        if before is not entry:
            if (before.label, before.split) != (entry.label, entry.split):
                raise DatasetError(
                    f"{entry.source}: {video} has another label or split at {before.source}; keep one of the two"
                )
            continue
        if entry.split is None:
            continue
        if _readable(root / video, check):
            items.append(Item(Path(video), entry.label, entry.split))
        else:
            unreadable.append(Path(video))
    if not items and not unreadable:
        expected = f"such as {missing[0]}" if missing else "the lists name none"
        raise DatasetError(f"{root}: none of its lists' videos found ({expected}); check the root and the lists")
    unlisted = (Path(video) for video in videos if video not in taken)
    report = Report(tuple(sorted(missing)), tuple(sorted(unlisted)), tuple(sorted(unreadable)))
    return Dataset(tuple(labels), tuple(items), report)


def find_videos(root: Path) -> tuple[PurePosixPath, ...]:
    """Video files at most MAX_DEPTH folders below `root`, relative to it, ascending; hidden names are passed over.

    Links are followed. Raises DatasetError if `root` is missing, no folder or cannot be read.
    """
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "no such folder"
        raise DatasetError(f"{root}: {what}; name the folder that holds the videos")
    try:
        return tuple(sorted(_walk(root, PurePosixPath(), MAX_DEPTH)))
    except OSError as error:
        raise DatasetError(f"{error.filename}: cannot be read ({error.strerror}); check its permissions") from error


def _walk(folder: Path, place: PurePosixPath, depth: int) -> Iterator[PurePosixPath]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):  # among them macOS's ._ twins of every file
                continue
            if entry.is_dir():
                if depth:
                    yield from _walk(folder / entry.name, place / entry.name, depth - 1)
            elif os.path.splitext(entry.name)[1].lower() in VIDEO_SUFFIXES:
                yield place / entry.name


def _look_up(root: Path, entry: Entry, table: dict[str, list[PurePosixPath]], key: Key) -> PurePosixPath | None:
    found = table.get(key(entry.video)) or table.get(entry.alias or "", [])
    if len(found) > 1:
        raise DatasetError(
            f"{root}: {found[0]} and {found[1]} are both the video {entry.video} of {entry.source}; keep one"
        )
    return found[0] if found else None


def _readable(video: Path, check: bool) -> bool:
    try:
        if not check:
            return video.stat().st_size > 0
        info = probe(video)
    except (OSError, VideoError):
        return False
    return info.packets > 0 and info.breaks_off is None
