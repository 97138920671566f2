"""`prepare`: a cache of transcoded videos, filled in parallel, that can be stopped at any moment and gone on with.

Each AVI appears whole and carries in its metadata the hash of its source and its recipe, so that one whose line in the
index was never written is adopted, not redone.
"""

import hashlib
import json
import multiprocessing
import os
import signal
import stat
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path, PurePosixPath
from typing import Any

import av

from hybridnet.errors import BackendError, OutputError, VideoError
from hybridnet.files import disk_errors
from hybridnet.training.cache import Entry, append_entry, locked_cache, read_index, sweep
from hybridnet.training.listing import VIDEO_SUFFIXES
from hybridnet.video import Recipe, read_gops, transcode
from hybridnet.video.probe import demux, open_video

MARK = "hybridnet prepare: "


@dataclass(frozen=True)
class Job:
    """A source and the place of its AVI, relative to the cache."""

    source: Path
    output: str


def prepare(sources: Sequence[Path], cache: Path, recipe: Recipe, *, workers: int) -> Iterator[Entry]:
    """Transcode every source into the folder `cache` unless it is there already; an `Entry` for each, as they finish.

    sources   files, or folders as in `find_jobs`
    workers   processes, at least 1

    A source is done if the index has it with this recipe, the same size and time of change, or the same hash, and its
    AVI is there, of the size it had; a rejected one is not tried again. AVIs of other sources stay. Equal input gives
    equal AVIs whatever the number of workers. Call it under `if __name__ == "__main__"`, for the workers import the
    main module.

    Raises VideoError as `find_jobs`, and if a source would take the place of another's AVI; OutputError if the cache
    cannot be written, is in use, or holds files that are not its own; BackendError if no worker can start.
    """
    jobs = find_jobs(sources, cache)
    with locked_cache(cache):
        sweep(cache)
        try:
            entries = read_index(cache)
            _check_owners(jobs, entries)
            done = {job: entry for job in jobs if (entry := _found(job, cache, recipe, entries))}
            yield from done.values()
            for entry in _run([job for job in jobs if job not in done], cache, recipe, workers):
                append_entry(cache, entry)
                yield entry
        finally:
            sweep(cache)


def find_jobs(sources: Sequence[Path], cache: Path) -> list[Job]:
    """What there is to do: every file given, and every video file below a folder given, hidden ones passed over.

    A folder's layout is kept below the cache, so class folders stay class folders; a file's suffix becomes .avi. Links
    are followed. Raises VideoError for a path that is missing, a folder without videos or that cannot be read, a source
    that overlaps the cache, and two sources that would become one AVI.
    """
    place = cache.resolve()
    jobs: dict[str, Job] = {}
    for path in sources:
        real = path.resolve()
        if real == place or real in place.parents or place in real.parents:
            raise VideoError(f"{path}: overlaps the cache {cache}, which would feed on itself; give a cache elsewhere")
        for source, relative in _listed(path):
            output = relative.with_suffix(".avi").as_posix()
            other = jobs.setdefault(output, Job(source, output)).source
            if other.resolve() != source.resolve():
                raise VideoError(f"{source}: would become {output} as {other} does; rename it or give it another cache")
    return list(jobs.values())


def _listed(path: Path) -> list[tuple[Path, PurePosixPath]]:
    """Files of a source, and where they lie below it."""
    if not path.is_dir():
        if not path.exists():
            raise VideoError(f"{path}: no such file or folder; check the path")
        return [(path, PurePosixPath(path.name))]
    try:
        found = sorted(_walk(path, PurePosixPath(), ()))
    except OSError as error:
        raise VideoError(f"{error.filename}: cannot be read ({error.strerror}); check its permissions") from error
    if not found:
        known = ", ".join(sorted(VIDEO_SUFFIXES))
        raise VideoError(f"{path}: the folder holds no video file ({known}); name one that does")
    return [(path / relative, relative) for relative in found]


def _walk(folder: Path, place: PurePosixPath, above: tuple[str, ...]) -> Iterator[PurePosixPath]:
    real = os.path.realpath(folder)
    if real in above:  # a link to a folder that holds it
        return
    with os.scandir(folder) as found:
        for item in found:
            if item.name.startswith("."):
                continue
            if item.is_dir():
                yield from _walk(folder / item.name, place / item.name, (*above, real))
            elif os.path.splitext(item.name)[1].lower() in VIDEO_SUFFIXES:
                yield place / item.name


def _check_owners(jobs: Sequence[Job], entries: dict[str, Entry]) -> None:
    """VideoError if a source would take the place of another one's AVI, that is still there."""
    owners = {entry.output: Path(entry.source) for entry in entries.values() if entry.output}
    for job in jobs:
        owner = owners.get(job.output, job.source)
        if owner != job.source and owner.exists() and owner.resolve() != job.source.resolve():
            raise VideoError(f"{job.source}: would become {job.output} as {owner} did; give it another cache")


def _found(job: Job, cache: Path, recipe: Recipe, entries: dict[str, Entry]) -> Entry | None:
    """The entry of a source for which nothing is to be done."""
    entry = entries.get(str(job.source))
    if entry is None or entry.recipe != recipe or not entry.sha256:
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
    if entry.output != job.output or not output.is_file():
        return None
    if output.stat().st_size == entry.output_size:
        return entry
    if (_comment(output) or "").startswith(MARK):
        output.unlink()  # spoiled since, though it still says what it was
    return None


def _run(jobs: Sequence[Job], cache: Path, recipe: Recipe, workers: int) -> Iterator[Entry]:
    """Entries of all jobs, as they are finished. Jobs that were out when a worker died are tried again, each alone."""
    waiting = list(reversed(jobs))
    while waiting:
        out: dict[Future[Entry], Job] = {}
        try:
            yield from _share_out(waiting, out, cache, recipe, workers)
        except BrokenProcessPool:
            for job in out.values():
                try:
                    yield from _share_out([job], {}, cache, recipe, 1)
                except BrokenProcessPool:
                    reason = "the worker that read it died, out of memory or by a fault in FFmpeg; leave it out"
                    yield Entry(str(job.source), 0, 0, "", recipe, error=f"{job.source}: {reason}")


def _share_out(
    waiting: list[Job], out: dict[Future[Entry], Job], cache: Path, recipe: Recipe, workers: int
) -> Iterator[Entry]:
    """Take jobs from the end of `waiting` and yield their entries; `out` has those that the workers are at."""
    context = multiprocessing.get_context("spawn")  # FFmpeg's and numba's threads do not survive a fork
    reader, writer = context.Pipe(duplex=False)
    workers = min(workers, len(waiting))
    pool = ProcessPoolExecutor(workers, context, initializer=_watch, initargs=(reader,))
    try:
        started = pool.submit(os.getpid)
        while waiting or out:
            while waiting and len(out) <= workers:  # one more than there are workers, so that none waits
                out[pool.submit(_process, waiting[-1], cache, recipe)] = waiting[-1]
                waiting.pop()
            for future in wait(out, return_when=FIRST_COMPLETED).done:
                entry = future.result()
                del out[future]
                yield entry
    except BrokenProcessPool as error:
        if started.exception():
            raise BackendError(
                f"{cache}: the workers cannot start; call `prepare` under if __name__ == '__main__', or from a file"
            ) from error
        raise
    finally:
        writer.close()  # whoever is still at work leaves
        pool.shutdown(cancel_futures=True)
        reader.close()


def _watch(reader: Connection) -> None:
    """Of a worker: leave when the other end of the pipe closes, be it that the parent was killed."""

    def leave() -> None:
        with suppress(EOFError, OSError):
            reader.recv()
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, who closes the pipe
    threading.Thread(target=leave, daemon=True).start()


def _process(job: Job, cache: Path, recipe: Recipe) -> Entry:
    """Of a worker: hash a source, transcode it unless its AVI is there, and measure that."""
    target = cache / job.output
    entry = Entry(str(job.source), 0, 0, "", recipe)
    try:
        entry = _identified(entry)
    except VideoError as error:
        return replace(entry, error=str(error))
    comment = f"{MARK}sha256={entry.sha256} {json.dumps(asdict(recipe))}"
    found = _comment(target)
    if found is not None and not found.startswith(MARK):
        raise OutputError(f"{target}: is in the way and was not made by `prepare`; move it or give another cache")
    try:
        if found != comment:
            with disk_errors(target):
                target.parent.mkdir(parents=True, exist_ok=True)
            transcode(job.source, target, recipe, comment=comment)
        codec, frames_in = _count(job.source)
        return replace(
            entry, output=job.output, codec=codec, frames_in=frames_in, **_measure(target), new=found != comment
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


def _comment(output: Path) -> str | None:
    """What an AVI's metadata say of its making; None if there is no file."""
    if not output.exists():
        return None
    try:
        with av.open(f"file:{output}", metadata_errors="replace") as container:
            return container.metadata.get("comment", "")
    except (av.error.FFmpegError, OSError):
        return ""


def _count(source: Path) -> tuple[str, int]:
    """Codec and coded frames of a source, as far as it can be read."""
    container, stream = open_video(source)
    packets = 0
    with container, suppress(VideoError):
        for _ in demux(source, container, stream):
            packets += 1
    return stream.codec_context.codec.canonical_name, packets


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
