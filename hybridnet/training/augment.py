"""Views: which square of a stored picture the network sees, at which scale, and whether in a mirror. All in integers.

A square of side s becomes S x S by nearest neighbour at pixel centres, as `make_clip` resamples, and its motion scales
alike: m becomes trunc0(m * S / s), within +-127. A mirrored view swaps left and right and negates motion x.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hybridnet.compiled import njit
from hybridnet.video import nearest_indices
from hybridnet.video.sampling import INPUT_LIMIT

BYTES = np.arange(256, dtype=np.uint8)


@dataclass(frozen=True)
class View:
    """The square whose top left pixel is (top, left), of `side` pixels, mirrored or not."""

    top: int
    left: int
    side: int
    mirrored: bool = False


def centre_view(height: int, width: int, size: int) -> View:
    """The centre crop of `make_clip`."""
    return View((height - size) // 2, (width - size) // 2, size)


def random_view(rng: np.random.Generator, height: int, width: int, scales: Sequence[float], flip: bool) -> View:
    """A square at a random place, its side a random one of `scales` times the short side; mirrored in half of all."""
    side = max(1, round(min(height, width) * scales[int(rng.integers(len(scales)))]))
    top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
    return View(int(top), int(left), side, flip and bool(rng.integers(2)))


def cut(record: np.void, view: View, targets: Mapping[str, np.ndarray]) -> None:
    """Fill float32 arrays iframe (S,S,3), motion (T,S,S,2) and residual (T,S,S,3) from a record, see `record_type`.

    What is not among the targets is not read.
    """
    pixels, signed = _plain_tables()
    for name, target in targets.items():
        size = target.shape[-2]
        rows = np.uintp(view.top) + nearest_indices(view.side, size)
        columns = np.uintp(view.left) + nearest_indices(view.side, size)
        if view.mirrored:
            columns = columns[::-1].copy()
        if name == "motion":
            tables = _motion_tables(view.side, size, view.mirrored)
        else:
            tables = pixels if name == "iframe" else signed
        source = np.asarray(record[name]).view(np.uint8)
        whole = source if source.ndim == 4 else source[None]
        _gather(whole, rows, columns, tables, target if target.ndim == 4 else target[None])


@lru_cache(maxsize=1)
def _plain_tables() -> tuple[np.ndarray, np.ndarray]:
    """The value of every byte, for each of three channels, as uint8 and as int8."""
    return np.tile(BYTES.astype(np.float32), (3, 1)), np.tile(BYTES.view(np.int8).astype(np.float32), (3, 1))


@lru_cache(maxsize=64)
def _motion_tables(side: int, size: int, mirrored: bool) -> np.ndarray:
    """The input for every stored byte of motion x and y, float32 (2,256)."""
    stored = BYTES.view(np.int8).astype(np.int64)
    scaled = np.sign(stored) * np.minimum(abs(stored) * size // side, INPUT_LIMIT)
    return np.stack([-scaled if mirrored else scaled, scaled]).astype(np.float32)


@njit(nogil=True)
def _gather(source, rows, columns, tables, target):
    """target[t,y,x,c] = tables[c,source[t,c,rows[y],columns[x]]]."""
    steps, height, width, channels = target.shape
    for t in range(steps):
        for y in range(height):
            for c in range(channels):
                row, table = source[t, c, rows[y]], tables[c]
                for x in range(width):
                    target[t, y, x, c] = table[row[columns[x]]]
