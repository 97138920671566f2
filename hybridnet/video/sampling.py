"""Clips: what the network sees of a GOP, and which GOPs of a video it looks at (TSN's uniform segments)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np

from hybridnet.compiled import njit
from hybridnet.errors import TranscodeNeeded, VideoError
from hybridnet.video.gop import Gop
from hybridnet.video.probe import REMEDY, VideoSource, probe, require_motion_vectors, require_upright, source_name
from hybridnet.video.reader import read_gops

INT16 = np.arange(2**16, dtype=np.uint16).view(np.int16).astype(np.int64)  # 0..32767, then -32768..-1
STREAMS = {"motion": 2, "residual": 3}  # what a clip holds of its P-frames, in this order, with the channels of each
EIGHTHS = 8  # motion in fractions of a pixel, which are of 1/2, 1/4 or 1/8, becomes integers in this unit
Subpel = Literal["trunc", "float"]
INPUT_LIMIT = 127  # motion and residual inputs are int8 within +-127, so that the range is symmetric


@dataclass(frozen=True)
class Preprocessing:
    """How a GOP becomes a clip; `dataclasses.asdict` and the constructor make the JSON round trip.

    Positive integers unless said otherwise.

    size           S: side of the centre crop, pixels
    short_side     the picture's short side before the crop, pixels, at least `size`
    steps          P-frames of a clip
    triplets       clips of a video, at most
    motion_limit   pixels of accumulated motion that become 127; beyond it, motion saturates
    accumulate     True: motion and residual against the I-frame. False: raw, each P-frame against the frame before
    subpel         "trunc": vectors in whole pixels. "float": fractions of a pixel kept up to the clip's one rounding
    """

    size: int
    short_side: int
    steps: int = 11
    triplets: int = 8
    motion_limit: int = 20
    accumulate: bool = True
    subpel: Subpel = "trunc"

    def __post_init__(self) -> None:
        for name in ("size", "short_side", "steps", "triplets", "motion_limit"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise VideoError(f"preprocessing: {name} {value!r} must be an integer of at least 1")
        if not isinstance(self.accumulate, bool):
            raise VideoError(f"preprocessing: accumulate {self.accumulate!r} must be true or false")
        if self.subpel not in get_args(Subpel):
            raise VideoError(f"preprocessing: subpel {self.subpel!r} is not one of {', '.join(get_args(Subpel))}")
        if self.size > self.short_side:
            raise VideoError(f"preprocessing: size {self.size} does not fit in short_side {self.short_side}; lower it")


@dataclass(frozen=True, eq=False)
class Clip:
    """One triplet of I-frame, motion and residual, as the network sees it. T = steps, S = size.

    iframe     uint8 (3,S,S) RGB
    motion     int8 (T,2,S,S), (x,y), -127..127: trunc0(clip(D, -limit, limit) * 127 / limit), of D in fractions of a
               pixel round(clip(D, -limit, limit) * 127 / limit), halves away from zero
    residual   int8 (T,3,S,S) RGB, -127..127: clip(R, -127, 127)
    gop        index of its GOP in the video
    corrupt    True if its GOP is
    """

    iframe: np.ndarray
    motion: np.ndarray
    residual: np.ndarray
    gop: int
    corrupt: bool


def make_clip(gop: Gop, preprocessing: Preprocessing, index: int) -> Clip:
    """The clip of a GOP's first `steps` P-frames; `index` is the GOP's place in its video.

    A picture whose short side is not `short_side` is resampled by nearest neighbour at pixel centres, aspect kept, and
    its motion scaled alike: D becomes trunc0(D * short_side / old short side), before the clip to the limit; in
    fractions of a pixel it is not truncated, so that there is one rounding in all. All in integers. Raises VideoError
    if the GOP has fewer than `steps` P-frames.
    """
    size = preprocessing.size
    rows, columns = (
        index[(len(index) - size) // 2 :][:size] for index in _resized_indices(gop, preprocessing.short_side)
    )
    return _gathered(gop, preprocessing, index, rows, columns)


def make_whole_clip(gop: Gop, preprocessing: Preprocessing, index: int) -> Clip:
    """`make_clip` without its crop: arrays of the resized picture's height and width, S replaced by them."""
    return _gathered(gop, preprocessing, index, *_resized_indices(gop, preprocessing.short_side))


def _gathered(gop: Gop, preprocessing: Preprocessing, index: int, rows: np.ndarray, columns: np.ndarray) -> Clip:
    steps, shape = preprocessing.steps, (len(rows), len(columns))
    if len(gop.motion) < steps:
        raise VideoError(f"GOP {index}: {len(gop.motion)} P-frames decoded but a clip takes {steps}; lower steps")
    short = min(gop.iframe.shape[:2])
    motion, make_table = gop.motion, _motion_table
    if motion.dtype != np.int16:
        motion, make_table = _in_eighths(motion[:steps]), _eighths_table
    table = make_table(short, preprocessing.short_side, preprocessing.motion_limit)
    motion_input = np.empty((steps, 2, *shape), np.int8)
    residual_input = np.empty((steps, 3, *shape), np.int8)
    _gather(motion, rows, columns, table, motion_input)
    _gather(gop.residual, rows, columns, _residual_table(), residual_input)
    return Clip(
        iframe=np.ascontiguousarray(gop.iframe[rows[:, None], columns].transpose(2, 0, 1)),
        motion=motion_input,
        residual=residual_input,
        gop=index,
        corrupt=gop.corrupt,
    )


def uniform_indices(count: int, wanted: int) -> tuple[int, ...]:
    """The centres of n = min(wanted, count) equal segments of `count` items: floor((k + 1/2) * count / n), distinct."""
    n = min(wanted, count)
    return tuple((2 * k + 1) * count // (2 * n) for k in range(n))


def choose_gops(lengths: Sequence[int], preprocessing: Preprocessing) -> tuple[int, ...]:
    """Indices of the GOPs to look at, from the frames in each: uniform over those with at least `steps` P-frames."""
    full = [index for index, length in enumerate(lengths) if length > preprocessing.steps]
    return tuple(full[k] for k in uniform_indices(len(full), preprocessing.triplets))


def sample_clips(
    source: VideoSource,
    preprocessing: Preprocessing,
    make: Callable[[Gop, Preprocessing, int], Clip] = make_clip,
) -> Iterator[Clip]:
    """Iterate over a video's clips in file order, decoding each when it is asked for: one for each of `choose_gops`.

    make   `make_clip`, or `make_whole_clip` for clips without the crop

    Raises whatever `probe` and `read_gops` raise, and TranscodeNeeded if FFmpeg cannot read the file to its end, or no
    GOP has `steps` P-frames or damage leaves fewer of a chosen one.
    """
    info = probe(source)
    require_motion_vectors(source, info.codec)
    if info.breaks_off:
        raise TranscodeNeeded(info.breaks_off)
    chosen = choose_gops(info.gop_lengths, preprocessing)
    if not chosen:
        raise TranscodeNeeded(
            f"{source_name(source)}: too short, a clip takes {preprocessing.steps + 1} frames of one GOP and the "
            f"longest GOP has {max(info.gop_lengths, default=0)}; lower steps, or {REMEDY} "
            f"--gop {preprocessing.steps + 1}"
        )
    require_upright(source)
    gops = read_gops(
        source,
        gops=chosen,
        max_p=preprocessing.steps,
        accumulate=preprocessing.accumulate,
        subpel=preprocessing.subpel,
    )
    return _clips(source, zip(chosen, gops, strict=True), preprocessing, make)


def _clips(
    source: VideoSource,
    gops: Iterable[tuple[int, Gop]],
    preprocessing: Preprocessing,
    make: Callable[[Gop, Preprocessing, int], Clip],
) -> Iterator[Clip]:
    for index, gop in gops:
        if len(gop.motion) < preprocessing.steps:
            raise TranscodeNeeded(
                f"{source_name(source)}: GOP {index} is damaged, {len(gop.motion)} P-frames decoded but a clip takes "
                f"{preprocessing.steps}; {REMEDY}"
            )
        clip = make(gop, preprocessing, index)
        del gop  # or two GOPs would be in memory while the next is read
        yield clip


def nearest_indices(length: int, resized: int) -> np.ndarray:
    """Source index of every pixel of an axis of `length` that becomes `resized` long, at pixel centres, uint64."""
    index = (2 * np.arange(resized) + 1) * length // (2 * resized)
    return index.astype(np.uintp)  # unsigned: numba then indexes without a test


def _resized_indices(gop: Gop, short_side: int) -> list[np.ndarray]:
    """Source row of every row and source column of every column of the picture once its short side is `short_side`."""
    shape = gop.iframe.shape[:2]
    short = min(shape)
    return [nearest_indices(length, (2 * length * short_side + short) // (2 * short)) for length in shape]


@lru_cache(maxsize=8)
def _motion_table(short: int, short_side: int, limit: int) -> np.ndarray:
    """The int8 input for every int16 D, int8 (65536,), found at D's bits read as uint16."""
    resized = abs(INT16) * short_side // short
    return (np.sign(INT16) * (np.minimum(resized, limit) * INPUT_LIMIT // limit)).astype(np.int8)


def _in_eighths(motion: np.ndarray) -> np.ndarray:
    """float32 D, multiples of 1/8 pixel, as int16 in that unit; beyond 4095 pixels it stays there."""
    limit = np.iinfo(np.int16).max
    return (motion * EIGHTHS).clip(-limit, limit).astype(np.int16)


@lru_cache(maxsize=8)
def _eighths_table(short: int, short_side: int, limit: int) -> np.ndarray:
    """As `_motion_table` for D in eighths of a pixel, rounded once."""
    whole = EIGHTHS * short * limit
    rounded = (2 * abs(INT16) * short_side * INPUT_LIMIT + whole) // (2 * whole)
    return (np.sign(INT16) * np.minimum(rounded, INPUT_LIMIT)).astype(np.int8)


@lru_cache(maxsize=1)
def _residual_table() -> np.ndarray:
    """The int8 input for every int16 R, as `_motion_table`."""
    return INT16.clip(-INPUT_LIMIT, INPUT_LIMIT).astype(np.int8)


@njit(nogil=True)
def _gather(source, rows, columns, table, target):
    """target[t,c,y,x] = table[source[t,rows[y],columns[x],c]], the table of all 65536 int16 values."""
    steps, channels, height, width = target.shape
    for t in range(steps):
        for y in range(height):
            row = source[t, rows[y]]
            for c in range(channels):
                for x in range(width):
                    target[t, c, y, x] = table[np.uint16(row[columns[x], c])]
