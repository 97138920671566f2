"""`prepare`: a cache of transcoded videos, filled in parallel, that can be stopped at any moment and gone on with.

Each AVI appears whole and carries in its metadata the hash of its source and its recipe, so that one whose line in the
index was never written is adopted, not redone.
"""

import hashlib
import stat
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from hybridnet.errors import OutputError, VideoError
from hybridnet.files import disk_errors
from hybridnet.training.cache import (
    Entry,
    append_entry,
    locked_cache,
    mark,
    read_index,
    read_mark,
    require_recipe,
    sweep,
    write_index,
)
from hybridnet.training.sources import Job, assign_outputs, find_sources
from hybridnet.training.workers import share_out
from hybridnet.video import Recipe, read_gops, transcode
from hybridnet.video.pictures import survey


def prepare(paths: Sequence[Path], cache: Path, recipe: Recipe, *, workers: int) -> Generator[Entry]:
    """Transcode every source into the folder `cache` unless it is there already; an `Entry` for each, as they finish.

    paths     files, or folders as in `find_sources`; `assign_outputs` says what becomes of them
    workers   processes, at least 1

    A source is done if the index has it with this recipe, the same size and time of change, or the same hash, and its
    AVI is there, of the size it had; a rejected one is not tried again. AVIs of other sources stay. Equal input gives
    equal AVIs whatever the number of workers. Call it under `if __name__ == "__main__"`, for the workers import the
    main module.

    Raises VideoError as `find_sources`; OutputError if the cache holds videos of another recipe, cannot be written, is
    in use, or holds files that are not its own; BackendError if no worker can start.
    """
    sources = find_sources(paths, cache)
    with locked_cache(cache):
        sweep(cache)
        try:
            entries = read_index(cache)
            require_recipe(cache, recipe, entries)
            jobs = assign_outputs(sources, entries)
            done = {job: entry for job in jobs if (entry := _found(job, cache, recipe, entries))}
            todo = [job for job in jobs if job not in done]
            for job in todo:
                _remove_spoiled(job, cache, entries)
            write_index(cache, _without(todo, recipe, entries))  # each line to come is then its source's only one
            yield from done.values()
            for entry in _run(todo, cache, recipe, workers):
                append_entry(cache, entry)
                yield entry
        finally:
            sweep(cache)


def _without(jobs: Sequence[Job], recipe: Recipe, entries: dict[str, Entry]) -> list[Entry]:
    """The entries of neither these sources nor their AVIs, nor of what an emptied cache held."""
    sources, outputs = {str(job.source) for job in jobs}, {job.output for job in jobs if job.output}
    return [
        entry
        for entry in entries.values()
        if entry.source not in sources and entry.output not in outputs and entry.recipe == recipe
    ]


def _found(job: Job, cache: Path, recipe: Recipe, entries: dict[str, Entry]) -> Entry | None:
    """The entry of a source for which nothing is to be done."""
    entry = entries.get(str(job.source))
    if job.refusal or entry is None or entry.recipe != recipe or not entry.sha256:
        return None
    try:
        now = job.source.stat()
    except OSError:
        return None
    if (entry.size, entry.mtime_ns) != (now.st_size, now.st_mtime_ns):
        return None
    if entry.error is not None:
        return entry
    output = cache / job.output
    whole = entry.output == job.output and output.is_file() and output.stat().st_size == entry.output_size
    return entry if whole else None


def _remove_spoiled(job: Job, cache: Path, entries: dict[str, Entry]) -> None:
    """Remove the AVI that the index has for a source if it is no longer what it was, whatever it says of its making."""
    entry, output = entries.get(str(job.source)), cache / job.output
    if entry is None or not job.output or entry.output != job.output or not output.is_file():
        return
    if output.stat().st_size != entry.output_size or not read_mark(output):
        with disk_errors(output):
            output.unlink()


def _run(jobs: Sequence[Job], cache: Path, recipe: Recipe, workers: int) -> Iterator[Entry]:
    """Entries of all jobs, as they are finished."""
    for job in jobs:
        if job.refusal:
            yield Entry(str(job.source), 0, 0, "", recipe, error=job.refusal)
    open_jobs = [job for job in jobs if not job.refusal]
    for job, entry in share_out(partial(_process, cache=cache, recipe=recipe), open_jobs, workers):
        reason = "the worker that read it died, out of memory or by a fault in FFmpeg; leave it out"
        yield entry or Entry(str(job.source), 0, 0, "", recipe, error=f"{job.source}: {reason}")


def _process(job: Job, cache: Path, recipe: Recipe) -> Entry:
    """Of a worker: hash a source, transcode it unless its AVI is there, and measure that."""
    target = cache / job.output
    entry = Entry(str(job.source), 0, 0, "", recipe)
    try:
        entry = _identified(entry)
    except VideoError as error:
        return replace(entry, error=str(error))
    comment, found = mark(entry.sha256, recipe), read_mark(target)
    if found == "":
        raise OutputError(f"{target}: is in the way and was not made by `prepare`; move it or give another cache")
    try:
        if found == comment:
            read = survey(job.source)
        else:
            with disk_errors(target):
                target.parent.mkdir(parents=True, exist_ok=True)
            read = transcode(job.source, target, recipe, comment=comment)
        return replace(
            entry,
            output=job.output,
            codec=read.codec,
            frames_in=read.packets,
            damage=read.damage or None,
            **_measure(target),
            new=found != comment,
        )
    except VideoError as error:
        with disk_errors(target):
            target.unlink(missing_ok=True)  # made of what the source was before
        return replace(entry, error=str(error))


def _identified(entry: Entry) -> Entry:
    source = Path(entry.source)
    try:
        facts = source.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise VideoError(f"{source}: is no file; give a video file")
        with source.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise VideoError(f"{source}: cannot be read ({error.strerror}); check that it is there and readable") from error
    return replace(entry, size=facts.st_size, mtime_ns=facts.st_mtime_ns, sha256=digest)


def _measure(output: Path) -> dict[str, Any]:
    shares: list[float] = []
    frames = gops = 0
    for gop in read_gops(output, residual=None):
        gops += 1
        frames += gop.length
        shares += gop.intra_share.tolist()
    return {
        "output_size": output.stat().st_size,
        "frames": frames,
        "gops": gops,
        "intra_share": sum(shares) / len(shares) if shares else None,
    }
