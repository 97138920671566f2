"""Clips of a data set, preprocessed once into memory-mapped integer arrays, so that an epoch is compute, not decode.

A video becomes one .npy file of records, one per GOP that evaluation looks at (`choose_gops`), each the whole picture
at `short_side`: the crop is taken when a clip is read, so crops and scales stay open. A file is named by the hash of
what it was made of and appears whole, so a killed run goes on where it was, and runs can share a folder.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from hybridnet.errors import DatasetError, VideoError
from hybridnet.files import whole_file
from hybridnet.training.cache import locked_cache, sweep
from hybridnet.training.workers import share_out
from hybridnet.video import Preprocessing, make_whole_clip, sample_clips

FORM = 1  # of the files; another one gives them other names


@dataclass(frozen=True)
class Stored:
    """What became of one video.

    video    the video
    file     its arrays; None if it was rejected
    error    why it was rejected, None if it was not
    damaged  indices of its GOPs that the decoder flagged; known only when `new`
    new      whether this run made the arrays, rather than found them
    """

    video: Path
    file: Path | None
    error: str | None = None
    damaged: tuple[int, ...] = ()
    new: bool = False


def record_type(steps: int, height: int, width: int) -> np.dtype:
    """Of one GOP: iframe uint8 (3,H,W), motion int8 (T,2,H,W), residual int8 (T,3,H,W) as in `Clip`, and corrupt."""
    shape = (height, width)
    return np.dtype(
        [
            ("iframe", np.uint8, (3, *shape)),
            ("motion", np.int8, (steps, 2, *shape)),
            ("residual", np.int8, (steps, 3, *shape)),
            ("corrupt", np.bool_),
        ]
    )


def store_videos(
    videos: Sequence[Path], folder: Path, preprocessing: Preprocessing, *, workers: int
) -> Iterator[Stored]:
    """Make the arrays of every video in `folder` unless they are there; a `Stored` for each, as they are finished.

    preprocessing   its `size` does not matter
    workers         processes, at least 1

    Another run that fills the folder is waited for. A rejected video is tried again next time. Raises OutputError if
    the folder cannot be written, BackendError if no worker can start; call it as `prepare` is called.
    """
    found = {video: _name(video, preprocessing) for video in videos}
    missing = []
    for video, name in found.items():
        if name and (folder / name).is_file():
            yield Stored(video, folder / name)
        else:
            missing.append(video)
    if not missing:
        return
    with locked_cache(folder, wait=True):
        sweep(folder)
        work = partial(_store, folder=folder, preprocessing=preprocessing)
        for video, stored in share_out(work, missing, workers):
            reason = "the worker that read it died, out of memory or by a fault in FFmpeg; leave it out"
            yield stored or Stored(video, None, f"{video}: {reason}")


def open_arrays(file: Path) -> np.ndarray:
    """The records of a video, memory-mapped, (GOPs,) of `record_type`; DatasetError if the file is damaged."""
    try:
        records = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(f"{file}: no readable arrays ({error}); remove it, and it is made again") from error
    if records.dtype.names != ("iframe", "motion", "residual", "corrupt") or not len(records):
        raise DatasetError(f"{file}: holds {records.dtype}, not clips; remove it, and it is made again")
    return records


def picture_shape(records: np.ndarray) -> tuple[int, int]:
    """(H,W) of a video's records."""
    _, height, width = records["iframe"].shape[1:]
    return height, width


def _name(video: Path, preprocessing: Preprocessing) -> str:
    """By path, size and time of change of the video, and by how it is preprocessed; "" if it is not there."""
    try:
        facts = video.stat()
    except OSError:
        return ""
    kept = {name: value for name, value in asdict(preprocessing).items() if name != "size"}  # pictures are kept whole
    key = json.dumps([FORM, str(video.absolute()), facts.st_size, facts.st_mtime_ns, kept])
    return hashlib.sha256(key.encode()).hexdigest()[:32] + ".npy"


def _store(video: Path, folder: Path, preprocessing: Preprocessing) -> Stored:
    """Of a worker: make a video's arrays, unless a run that was waited for has made them."""
    name = _name(video, preprocessing)
    if name and (folder / name).is_file():
        return Stored(video, folder / name)
    try:
        clips = list(sample_clips(video, preprocessing, make_whole_clip))
    except VideoError as error:
        return Stored(video, None, str(error))
    steps, _, height, width = clips[0].motion.shape
    records = np.empty(len(clips), record_type(steps, height, width))
    for record, clip in zip(records, clips, strict=True):
        record["iframe"], record["motion"], record["residual"] = clip.iframe, clip.motion, clip.residual
        record["corrupt"] = clip.corrupt
    with whole_file(folder / name) as work, work.open("wb") as file:
        np.lib.format.write_array(file, records, allow_pickle=False)
    return Stored(video, folder / name, damaged=tuple(clip.gop for clip in clips if clip.corrupt), new=True)
