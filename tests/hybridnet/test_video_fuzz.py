"""Damaged videos by the thousand: a clear error or consistent GOPs, never a crash, a hang, a leak or chance.

The reading is done in an interpreter of its own, which is this file run as a program: it says what it is about to read,
so that the test can name the file that killed it.
"""

import io
import resource
import sys
from collections.abc import Callable
from dataclasses import fields
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from hybridnet.errors import HybridnetError
from hybridnet.video import Gop, Preprocessing, probe, read_gops, sample_clips

Frames = Callable[..., list[np.ndarray]]
Write = Callable[..., Path]

VIDEOS = {
    "mpeg4.avi": "mpeg4",
    "mpeg4.mp4": "mpeg4",
    "fast.mov": "libx264",
    "mpeg4.mkv": "mpeg4",
    "raw.m4v": "mpeg4",
    "h264.mp4": "libx264",
    "raw.h264": "libx264",
    "mpeg2.mpg": "mpeg2video",
    "mpeg2.ts": "mpeg2video",
    "h264.ts": "libx264",
    "flv.flv": "flv",
}
LENGTHS = (6, 6, 6, 6, 2)  # of their GOPs
CASES = 260  # damaged files of each
ROUNDS = 30  # over the same cases, in whose second half the memory must not grow
CASES_OF_A_ROUND = 20
GROWTH = 5_000_000  # bytes of resident memory; a frame lost in each read would be 8 MB, the allocator keeps up to 3.5
PARTS = (  # of AVI, MP4 and Matroska, where they say what lies where
    *(b"avih", b"strh", b"idx1", b"moov", b"stbl", b"stss", b"stsz", b"stco"),
    *(b"\x1f\x43\xb6\x75", b"\x1c\x53\xbb\x6b"),
)
CLIP = Preprocessing(size=32, short_side=32, steps=5, triplets=2)


def spoil(data: bytes, rng: np.random.Generator) -> bytes:
    """The file with one kind of damage, which may leave it as it was."""
    spoilt = bytearray(data)
    kind = rng.choice(["flip", "flip header", "flip part", "cut", "zero", "repeat", "drop"])
    start, stop = sorted(int(at) for at in rng.integers(0, len(data), 2))
    stop = min(stop, start + int(rng.integers(1, 2000)))
    if kind == "flip header":
        start, stop = 0, 300
    elif kind == "flip part":
        found = [at for part in PARTS if (at := data.find(part)) >= 0]
        start = int(rng.choice(found)) if found else 0
        stop = start + 200
    elif kind == "flip":
        start, stop = 0, len(data)
    if kind.startswith("flip"):
        for at in rng.integers(start, min(stop, len(data)), rng.integers(1, 31)):
            spoilt[at] = rng.integers(256) if rng.random() < 0.5 else spoilt[at] ^ (1 << rng.integers(8))
    elif kind == "cut":
        del spoilt[start:]
    elif kind == "zero":
        spoilt[start:stop] = bytes(stop - start)
    elif kind == "repeat":
        spoilt[start:start] = data[start:stop]
    else:
        del spoilt[start:stop]
    return bytes(spoilt)


def digest(gop: Gop) -> str:
    """What the pictures of a GOP are, whatever their place in the video."""
    values = [np.asarray(getattr(gop, field.name)) for field in fields(gop) if field.name not in ("start", "length")]
    return sha256(b"".join(value.tobytes() + repr(value.shape).encode() for value in values)).hexdigest()


def check_gop(gop: Gop, options: dict[str, object]) -> None:
    height, width, _ = gop.iframe.shape
    count = len(gop.positions)
    whole = options.get("subpel") != "float"
    assert gop.iframe.dtype == np.uint8
    assert gop.motion.shape == (count, height, width, 2)
    assert gop.motion.dtype == (np.int16 if whole else np.float32)
    assert gop.residual.shape == (0 if options.get("residual", "pixel") is None else count, height, width, 3)
    assert gop.intra_share.shape == (count,)
    assert ((gop.intra_share >= 0) & (gop.intra_share <= 1)).all()
    assert all(a < b for a, b in pairwise([0, *gop.positions]))
    assert gop.length > gop.positions[-1] if count else gop.length >= 1
    assert gop.start >= 0
    if whole:
        assert np.abs(gop.residual).max(initial=0) <= 255
    else:
        assert np.isfinite(gop.motion).all()


class Read(NamedTuple):
    """What was read of a GOP."""

    start: int
    length: int
    corrupt: bool
    digest: str


def read(source: Path | io.BytesIO, **options: object) -> tuple[list[Read], str]:
    """Every GOP up to the end or an error, and the error's line without the file's name."""
    gops = []
    try:
        for gop in read_gops(source, **options):
            check_gop(gop, options)
            gops.append(Read(gop.start, gop.length, gop.corrupt, digest(gop)))
    except HybridnetError as error:
        return gops, line(error)
    return gops, ""


def in_memory(path: Path) -> io.BytesIO:
    """The file's bytes under its name, by which FFmpeg tells raw streams."""
    memory = io.BytesIO(path.read_bytes())
    memory.name = str(path)  # type: ignore[attr-defined]
    return memory


def line(error: HybridnetError) -> str:
    assert "\n" not in str(error)
    return str(error).partition(": ")[2]


def draw_options(rng: np.random.Generator) -> dict[str, object]:
    options: dict[str, object] = {}
    if rng.random() < 0.3:
        options["positions"] = sorted({*rng.integers(1, 8, 3).tolist()})
    elif rng.random() < 0.2:
        options["max_p"] = int(rng.integers(0, 7))
    if rng.random() < 0.2:
        options["subpel"] = "float"
    if rng.random() < 0.3:
        options["residual"] = [None, "codec"][rng.integers(2)]
    if options.get("residual") != "codec" and rng.random() < 0.2:
        options["accumulate"] = False
    return options


def check(path: Path, rng: np.random.Generator) -> None:
    """Read a damaged file in every way, and compare what must be equal."""
    options = draw_options(rng)
    gops, error = read(path, **options)
    assert read(in_memory(path), **options) == (gops, error)
    # an AVI's index counts what is lost, too
    steps = [after.start - gop.start - gop.length for gop, after in pairwise(gops)]
    assert not any(steps) if path.suffix != ".avi" else min(steps, default=0) >= 0
    check_probe(path, gops, error)
    check_chosen(path, gops, sorted({*rng.integers(0, max(len(gops), 2), 2).tolist()}), options)
    strict, refusal = read(path, strict=True, **options)
    assert strict == gops[: len(strict)]
    assert refusal or not error
    try:
        for clip in sample_clips(path, CLIP):
            assert clip.motion.shape == (5, 2, 32, 32)
    except HybridnetError as refused:
        line(refused)


def check_probe(path: Path, gops: list[Read], error: str) -> None:
    try:
        info = probe(path)
    except HybridnetError as refusal:
        assert error
        line(refusal)
        return
    assert not info.breaks_off or error or gops[-1].corrupt
    assert info.gop_lengths[: len(gops)] == tuple(gop.length for gop in gops)
    assert error or len(info.keyframes) == len(gops)


def check_chosen(
    path: Path,
    gops: list[Read],
    chosen: list[int],
    options: dict[str, object],
) -> None:
    some, refusal = read(path, gops=chosen, **options)
    assert refusal or len(some) == len(chosen)
    expected = [gops[index] for index in chosen if index < len(gops)]
    assert some[: len(expected)] == expected


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def read_damaged(video: Path, folder: Path, cases: int, rounds: int) -> None:
    """Spoil a video and read it, case by case; prints the case before it is read, and the memory held after a round."""
    data = video.read_bytes()
    target = folder / video.name
    for _ in range(rounds):
        for case in range(cases):
            print("case", case, flush=True)
            rng = np.random.default_rng((*video.name.encode(), case))
            target.write_bytes(spoil(data, rng))
            check(target, rng)
        print("bytes", resident(), flush=True)


def read_apart(video: Path, folder: Path, cases: int, rounds: int) -> list[int]:
    """`read_damaged` in an interpreter of its own; returns the memory held after each round, bytes."""
    from limited import run_limited  # which the program that this file is has no path to

    command = [sys.executable, "-X", "faulthandler", "-W", "error", __file__, video, folder, cases, rounds]
    done = run_limited(video.name, command, "stdout")
    assert done.returncode == 0, f"{video.name}: {done.stdout.splitlines()[-1:]}: {done.stderr[-3000:]}"
    assert done.stderr == ""
    return [int(words.split()[1]) for words in done.stdout.splitlines() if words.startswith("bytes")]


@pytest.fixture(scope="module")
def small_videos(moving_texture: Frames, write_video: Write) -> dict[str, Path]:
    """A video of each kind, 64x48, 26 frames in GOPs of 6."""
    from packets import remux  # as `limited` above

    frames = moving_texture(sum(LENGTHS), 48, 64)
    muxers = {"raw.m4v": "m4v"}
    videos = {name: write_video(name, frames, codec, gop=6, muxer=muxers.get(name)) for name, codec in VIDEOS.items()}
    fast = videos["fast.mov"]  # its index at its beginning, so that cuts leave something to read
    return videos | {"fast.mov": remux(fast, fast.with_name("faster.mov"), movflags="faststart")}


@pytest.mark.parametrize("name", VIDEOS)
def test_damaged_files(name: str, small_videos: dict[str, Path], tmp_path: Path) -> None:
    assert probe(small_videos[name]).gop_lengths == LENGTHS
    read_apart(small_videos[name], tmp_path, CASES, 1)


@pytest.mark.parametrize("name", ["mpeg4.avi", "h264.mp4"])
def test_damage_leaks_no_memory(name: str, small_videos: dict[str, Path], tmp_path: Path) -> None:
    held = read_apart(small_videos[name], tmp_path, CASES_OF_A_ROUND, ROUNDS)
    assert held[-1] - held[ROUNDS // 2 - 1] < GROWTH


if __name__ == "__main__":
    read_damaged(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
