"""What `prepare` is given: the videos found, and the place in the cache that each one's AVI gets."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hybridnet.errors import VideoError
from hybridnet.files import missing
from hybridnet.training.cache import Entry
from hybridnet.training.listing import VIDEO_SUFFIXES

LONGEST_NAME = 240  # bytes; file systems take 255, and an unfinished file's name is longer than the final one


@dataclass(frozen=True)
class Source:
    """A video, and where it lies below the folder that was given, or its name if it was given itself."""

    path: Path
    place: PurePosixPath

    @property
    def outputs(self) -> tuple[str, str]:
        """Places its AVI may have in the cache: with .avi for its suffix, or behind it."""
        return self.place.with_suffix(".avi").as_posix(), f"{self.place.as_posix()}.avi"


@dataclass(frozen=True)
class Job:
    """A source and the place of its AVI, relative to the cache; without one, the reason why there is none."""

    source: Path
    output: str
    refusal: str | None = None


def find_sources(paths: Sequence[Path], cache: Path) -> list[Source]:
    """Every file given, whatever its name, and every video file below a folder given, by its suffix, each once.

    Hidden files of a folder are passed over, links are followed. Raises VideoError for a path that is missing, a folder
    without videos or that cannot be read, and a source that overlaps the cache.
    """
    place = _real(cache)
    found: dict[Path, Source] = {}
    for path in paths:
        real = _real(path)
        if real == place or real in place.parents or place in real.parents:
            raise VideoError(f"{path}: overlaps the cache {cache}, which would feed on itself; give a cache elsewhere")
        for source in _listed(path):
            found.setdefault(source.path, source)
    return list(found.values())


def assign_outputs(sources: Sequence[Source], entries: Mapping[str, Entry]) -> list[Job]:
    """The place of every source's AVI: folders kept, .avi for its suffix, so a.mp4 becomes a.avi.

    Where another source has that place, .avi comes behind the suffix, so a.webm beside a.mp4 becomes a.webm.avi. The
    first to come has the short name, and whoever has a place by `entries` keeps it as long as it exists. Where both
    places are another's, as with files of one name from two folders, there is a reason in place of an output.
    """
    holders = {entry.output: Path(entry.source) for entry in entries.values() if entry.output}
    jobs: dict[str, Job] = {}
    refused = []
    for source in sources:
        output = _choose(source, holders)
        if output is None:
            refused.append(Job(source.path, "", _refusal(source, holders)))
        elif output not in jobs:  # or it is the same file under another path
            holders[output] = source.path
            jobs[output] = Job(source.path, output)
    return [*refused, *jobs.values()]


def _choose(source: Source, holders: Mapping[str, Path]) -> str | None:
    """The place that a source has already, or else the first that is free; None if there is none."""
    fit = [output for output in source.outputs if len(os.fsencode(PurePosixPath(output).name)) <= LONGEST_NAME]
    free = []
    for output in fit:
        holder = holders.get(output)
        if holder == source.path:
            return output
        if holder is None or not holder.exists() or _real(holder) == _real(source.path):
            free.append(output)
    return free[0] if free else None


def _refusal(source: Source, holders: Mapping[str, Path]) -> str:
    output = source.outputs[0]
    if output not in holders:
        return f"{source.path}: its name is longer than {LONGEST_NAME} bytes and would not fit in the cache; rename it"
    return f"{source.path}: would become {output} as {holders[output]} does; rename it or give it another cache"


def find_videos(folder: Path) -> list[PurePosixPath]:
    """Places of the video files below a folder, ascending, hidden ones passed over, links followed.

    Raises VideoError for a folder without any, or that cannot be read.
    """
    try:
        found = sorted(_walk(folder, PurePosixPath(), ()))
    except OSError as error:
        raise VideoError(f"{error.filename}: cannot be read ({error.strerror}); check its permissions") from error
    if not found:
        known = ", ".join(sorted(VIDEO_SUFFIXES))
        raise VideoError(f"{folder}: the folder holds no video file ({known}); name one that does")
    return found


def _real(path: Path) -> Path:
    """Without links, but for those that lead in a circle, on which `Path.resolve` raises up to Python 3.12."""
    return Path(os.path.realpath(path))


def _listed(path: Path) -> list[Source]:
    """Files of a path that was given."""
    if path.is_dir():
        return [Source(path / place, place) for place in find_videos(path)]
    if not path.exists():
        raise VideoError(f"{path}: {missing(path)}")
    return [Source(path, PurePosixPath(path.name))]


def _walk(folder: Path, place: PurePosixPath, above: tuple[str, ...]) -> Iterator[PurePosixPath]:
    real = os.path.realpath(folder)
    if real in above:  # a link to a folder that holds it
        return
    with os.scandir(folder) as found:
        for item in found:
            if item.name.startswith("."):
                continue
            if os.path.isdir(item.path):  # unlike item.is_dir(), False of a link that leads in a circle
                yield from _walk(folder / item.name, place / item.name, (*above, real))
            elif os.path.splitext(item.name)[1].lower() in VIDEO_SUFFIXES:
                yield place / item.name
