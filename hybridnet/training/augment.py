"""Views: which part of a stored picture the network sees, at which scale, in which colours, and whether in a mirror.

All in integers. A part of h x w becomes S x S by nearest neighbour at pixel centres, as `make_clip` resamples, and its
motion scales alike: x becomes trunc0(x * S / w) and y trunc0(y * S / h), within +-127. A mirrored view swaps left and
right and negates motion x. Colours change as the residual can follow: it is a difference of pictures, so what adds to
both cancels and what multiplies both multiplies it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hybridnet.compiled import njit
from hybridnet.training.config import AugmentationConfig
from hybridnet.video import nearest_indices
from hybridnet.video.sampling import INPUT_LIMIT

BYTES = np.arange(256, dtype=np.uint8)
MIDDLE = 127.5
GAINS, OFFSETS = (0.5, 1.5), (-40.0, 40.0)


@dataclass(frozen=True)
class Colours:
    """Channel c is that of `order[c]`, its distance from mid-grey times `gain`, plus `offset` of 255."""

    order: tuple[int, ...] = (0, 1, 2)
    gain: float = 1.0
    offset: float = 0.0


AS_THEY_ARE = Colours()


@dataclass(frozen=True)
class View:
    """The part whose top left pixel is (top, left), mirrored or not; `hidden` modalities are all mid-grey, or zero."""

    top: int
    left: int
    height: int
    width: int
    mirrored: bool = False
    colours: Colours = AS_THEY_ARE
    hidden: tuple[str, ...] = ()


def centre_view(height: int, width: int, size: int) -> View:
    """The centre crop of `make_clip`."""
    return View((height - size) // 2, (width - size) // 2, size, size)


def random_view(
    rng: np.random.Generator, height: int, width: int, modalities: Sequence[str], config: AugmentationConfig
) -> View:
    """A part at a random place, of a random size, and all else as the config lets it be drawn."""
    scales, short = config.scales, min(height, width)
    first = int(rng.integers(len(scales)))
    second = int(rng.integers(max(first - config.distort, 0), min(first + config.distort, len(scales) - 1) + 1))
    high, wide = (max(1, round(short * scales[k])) for k in (first, second))
    top, left = int(rng.integers(height - high + 1)), int(rng.integers(width - wide + 1))
    mirrored = config.flip and bool(rng.integers(2))
    colours = _random_colours(rng) if config.colours else AS_THEY_ARE
    hidden = tuple(name for name in modalities if rng.random() < config.hide)
    return View(top, left, high, wide, mirrored, colours, hidden if len(hidden) < len(modalities) else ())


def _random_colours(rng: np.random.Generator) -> Colours:
    """Any order of the channels, in half of all cases the negative."""
    gain = float(rng.uniform(*GAINS)) * (1 if rng.integers(2) else -1)
    return Colours(tuple(rng.permutation(3).tolist()), gain, float(rng.uniform(*OFFSETS)))


def cut(record: np.void, view: View, targets: Mapping[str, np.ndarray]) -> None:
    """Fill float32 arrays iframe (S,S,3), motion (T,S,S,2) and residual (T,S,S,3) from a record, see `record_type`.

    What is not among the targets is not read.
    """
    for name, target in targets.items():
        if name in view.hidden:
            target[...] = MIDDLE if name == "iframe" else 0
            continue
        size = target.shape[-2]
        rows = np.uintp(view.top) + nearest_indices(view.height, size)
        columns = np.uintp(view.left) + nearest_indices(view.width, size)
        if view.mirrored:
            columns = columns[::-1].copy()
        if name == "motion":
            tables, planes = _motion_tables(view.height, view.width, size, view.mirrored), np.arange(2, dtype=np.uintp)
        else:
            tables = _colour_table(name, view.colours.gain, view.colours.offset)
            planes = np.array(view.colours.order, np.uintp)
        source = np.asarray(record[name]).view(np.uint8)
        whole = source if source.ndim == 4 else source[None]
        _gather(whole, planes, rows, columns, tables, target if target.ndim == 4 else target[None])


@lru_cache(maxsize=2)
def _plain_table(name: str) -> np.ndarray:
    return np.tile((BYTES if name == "iframe" else BYTES.view(np.int8)).astype(np.float32), (3, 1))


def _colour_table(name: str, gain: float, offset: float) -> np.ndarray:
    """The input for every stored byte of the three channels, float32 (3,256)."""
    plain = _plain_table(name)
    if (gain, offset) == (1.0, 0.0):
        return plain
    if name == "iframe":
        return ((plain - MIDDLE) * gain + MIDDLE + offset).round().clip(0, 255).astype(np.float32)
    return (plain * gain).round().clip(-INPUT_LIMIT, INPUT_LIMIT).astype(np.float32)


@lru_cache(maxsize=256)
def _motion_tables(height: int, width: int, size: int, mirrored: bool) -> np.ndarray:
    """The input for every stored byte of motion x and y, float32 (2,256)."""
    stored = BYTES.view(np.int8).astype(np.int64)
    x, y = (np.sign(stored) * np.minimum(abs(stored) * size // side, INPUT_LIMIT) for side in (width, height))
    return np.stack([-x if mirrored else x, y]).astype(np.float32)


@njit(nogil=True)
def _gather(source, planes, rows, columns, tables, target):
    """target[t,y,x,c] = tables[c,source[t,planes[c],rows[y],columns[x]]]."""
    steps, height, width, channels = target.shape
    for t in range(steps):
        for y in range(height):
            for c in range(channels):
                row, table = source[t, planes[c], rows[y]], tables[c]
                for x in range(width):
                    target[t, y, x, c] = table[row[columns[x]]]
