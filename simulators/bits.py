"""Spikes as bits: which elements of an activity are not zero, a row of a (H,W,C) map after the other (numba, nogil).

bits    uint64 (T,H,words): element x * C + c of row y at step t is bit x * C + c of bits[t, y], the least one first;
        what fills a row's last word up is 0. A conv's rows are its map's, and everything without rows is one.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types, uint32, uint64

from hybridnet.compiled import njit
from hybridnet.spiking import Shape
from simulators.vectors import LANES, intrinsic, vector_at

_WORD = 64


def empty_bits(steps: int, shape: Shape) -> np.ndarray:
    """Bits of an activity in which nothing spikes yet."""
    rows, row = rows_of(shape)
    return np.zeros((steps, rows, -(-row // _WORD)), np.uint64)


def rows_of(shape: Shape) -> tuple[int, int]:
    """How many rows an activity has, and the elements of one."""
    return (1, shape[0]) if len(shape) == 1 else (shape[1], shape[2] * shape[0])


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
def _not_zero(typing: Any, values: Any, at: Any) -> Any:
    """Which of LANES int32 from `at` on are not zero, as uint16."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        here = builder.load(vector_at(context, builder, signature.args[0], *arguments), align=4)
        return builder.bitcast(builder.icmp_unsigned("!=", here, here.type(None)), ir.IntType(LANES))

    return types.uint16(values, types.uint64), build


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


@njit(nogil=True)
def pack(frames: np.ndarray, bits: np.ndarray, values: np.ndarray, counts: np.ndarray) -> None:
    """Make frames bits.

    frames   int32 (T,C,H,W)
    bits     uint16 (T,H,4 * words), all 0: see above; changed in place
    values   int32 (T, H * W * C + LANES): filled with the frames in the order of the bits
    counts   int64 (T,): filled with the elements that are not zero
    """
    steps, channels, height, width = frames.shape
    row = width * channels
    for t in range(steps):
        into, count = values[t], 0
        for y in range(height):
            for c in range(channels):
                for x in range(width):
                    into[y * row + x * channels + c] = frames[t, c, y, x]
            for k in range((row + LANES - 1) // LANES):
                mask = _not_zero(into, uint64(y * row + k * LANES))
                left = row - k * LANES
                if left < LANES:  # what follows belongs to the next row
                    mask = mask & ((1 << left) - 1)
                bits[t, y, k] = mask
                count += population(uint64(mask))
        counts[t] = count


@njit(nogil=True)
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
