"""Spikes as bits: which elements of an activity are not zero, a row of a (H,W,C) map after the other (numba, nogil).

bits    uint64 (T,H,words): element x * C + c of row y at step t is bit x * C + c of bits[t, y], the least one first;
        what fills a row's last word up is 0. A conv's rows are its map's, and everything without rows is one.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types, uint32, uint64

from hybridnet.compiled import inner, intrinsic
from hybridnet.spiking import Shape

_WORD = 64


def empty_bits(steps: int, shape: Shape) -> np.ndarray:
    """Bits of an activity in which nothing spikes yet."""
    rows, row = rows_of(shape)
    return np.zeros((steps, rows, -(-row // _WORD)), np.uint64)


def rows_of(shape: Shape) -> tuple[int, int]:
    """How many rows an activity has, and the elements of one."""
    return (1, shape[0]) if len(shape) == 1 else (shape[1], shape[2] * shape[0])


def pack(activity: np.ndarray, bits: np.ndarray) -> None:
    """Fill one step's bits, (H,words), of which none is set, with an activity: bool, flat HWC."""
    packed = np.packbits(activity.reshape(len(bits), -1), axis=-1, bitorder="little")
    bits.view(np.uint8)[:, : packed.shape[1]] = packed


def unpack(bits: np.ndarray, shape: Shape) -> np.ndarray:
    """bool (T,C,H,W) or (T,N) of bits."""
    return channels_first(flat(bits, shape), shape)


def places(bits: np.ndarray, shape: Shape) -> list[np.ndarray]:
    """Of every step the flat HWC indices of its spikes, ascending."""
    return [np.flatnonzero(step) for step in flat(bits, shape)]


def flat(bits: np.ndarray, shape: Shape) -> np.ndarray:
    """bool (T,n), flat HWC."""
    row = rows_of(shape)[1]
    return np.unpackbits(bits.view(np.uint8), axis=-1, count=row, bitorder="little").view(bool).reshape(len(bits), -1)


def channels_first(flat: np.ndarray, shape: Shape) -> np.ndarray:
    """Activity (T, ...) of rows as (T,C,H,W), or as (T,N)."""
    if len(shape) == 1:
        return flat.reshape(len(flat), -1)
    return flat.reshape(len(flat), shape[1], shape[2], shape[0]).transpose(0, 3, 1, 2)


@intrinsic
def _lowest(typing: Any, word: Any) -> Any:
    """Place of the lowest bit set of a uint64 that is not 0."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.IntType(1)(1))

    return types.uint64(types.uint64), build


@intrinsic
def population(typing: Any, word: Any) -> Any:
    """Bits set of a uint64, as int64."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), build


@inner
def find(words: np.ndarray, places: np.ndarray) -> int:
    """Write the places of one row's spikes, ascending, to `places`, uint32; returns how many they are."""
    count = uint64(0)
    for k in range(words.size):
        word, first = uint64(words[k]), uint64(k * 64)
        while word:
            places[count] = uint32(first + _lowest(word))
            count += uint64(1)
            word &= word - uint64(1)
    return int(count)
