"""The neurons' equations, a block at a time (numba, nogil).

Currents and potentials are int32; a sum that could leave its range is wrapped on purpose, where Lava wraps it.
"""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import int32, types, uint64

from hybridnet.compiled import inner, intrinsic, njit
from hybridnet.spiking import POTENTIAL_LIMIT
from simulators.bits import population
from simulators.vectors import LANES, splat, vector_at

_BLOCK = 1024  # neurons updated at a time, so that every pass over a block finds it in the first-level cache

_HALF = POTENTIAL_LIMIT + 1  # 2^23: a holds -2^23..2^23-1, u is brought back once when it leaves (-2^23, 2^23]
_LOW, _HIGH = np.int32(-POTENTIAL_LIMIT), np.int32(POTENTIAL_LIMIT)


class Neurons(NamedTuple):
    """Constants of a layer's neurons; a named tuple, which numba takes whole.

    keep_u     4096 - decay_u
    narrow     a is held in 24 bits
    keep_v     4096 - decay_v
    bias       int32 (W * Cout,): bias * 64 of one output row
    threshold  threshold * 64; a readout's is above every potential
    subtract   reset by subtraction instead of to zero
    """

    keep_u: int
    narrow: bool
    keep_v: int
    bias: np.ndarray
    threshold: int
    subtract: bool


@njit(nogil=True, inline="always")
def _decay(x: Any, keep: Any) -> Any:
    """trunc0(x * keep / 4096) of an int32, 0 <= keep <= 4096; split at 12 bits, so that 32 bits hold every product."""
    low, toward_zero = int32(x & int32(4095)), int32(int32(x >> int32(31)) & int32(4095))
    rest = int32(int32(low * keep) + toward_zero)
    return int32(int32(int32(x >> int32(12)) * keep) + int32(rest >> int32(12)))


@inner
def integrate_current(accumulator: np.ndarray, current: np.ndarray, keep: int, narrow: bool) -> int:
    """u = decayed u + a * 64 with every wrap of Lava's; clears the accumulator, returns how many u were wrapped.

    Lava holds a of a Conv in 24 bits (modular, `narrow`) and of a Dense in 32; u in 32 bits, brought back by 2^24
    once when it leaves (-2^23, 2^23]. A wrap is counted when u ends up different from the exact sum.

    accumulator int32 or int64 (n,), |a| < 2^57; current int32 (n,), changed in place; keep 4096 - decay_u.
    """
    wraps = 0
    share = int32(keep)
    for k in range(current.size):
        a = np.int64(accumulator[k])
        accumulator[k] = 0
        decayed = np.int64(_decay(current[k], share))
        exact = decayed + a * 64
        if narrow:
            a = ((a + _HALF) & (2 * _HALF - 1)) - _HALF
        u = np.int64(int32(decayed + a * 64))
        if u > _HALF:
            u -= 2 * _HALF
        elif u <= -_HALF:
            u += 2 * _HALF
        wraps += u != exact
        current[k] = u
    return wraps


@intrinsic
def _fire(typing: Any, potential: Any, at: Any, limit: Any, remainder: Any) -> Any:
    """Fire those of LANES neurons from `at` on that exceed `limit`; returns which, as uint16.

    Their potential, less the limit, is masked with `remainder`.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        potential, at, limit, remainder = arguments
        here = vector_at(context, builder, signature.args[0], potential, at)
        v, most = builder.load(here, align=4), splat(builder, limit)
        fired = builder.icmp_signed(">", v, most)
        left = builder.and_(builder.sub(v, most), splat(builder, remainder))
        builder.store(builder.select(fired, left, v), here, align=4)
        return builder.bitcast(fired, ir.IntType(LANES))

    return types.uint16(potential, types.uint64, types.int32, types.int32), build


@inner
def update_neurons(
    current: np.ndarray, shift: int, potential: np.ndarray, neurons: Neurons, bits: np.ndarray
) -> tuple[int, int]:
    """Decay, integrate, clip, fire and reset whole rows of neurons; returns (spikes sent, potentials clipped).

    current    int32 (n,): a, cleared here (shift 6), or u, kept (shift 0)
    potential  int32 (n,), changed in place
    bits       uint16 (rows, 4 * words): filled with the spikes, see `simulators.bits`
    """
    count, clipped = 0, 0
    share, scale, limit = int32(neurons.keep_v), int32(shift), int32(neurons.threshold)
    remainder = int32(-1 if neurons.subtract else 0)
    row = neurons.bias.size
    for y in range(len(bits)):
        for start in range(0, row, _BLOCK):
            size, first = min(row - start, _BLOCK), y * row + start
            v, u = potential[first : first + size], current[first : first + size]
            bias = neurons.bias[start : start + size]
            lowest, highest = int32(0), int32(0)
            for k in range(size):
                v[k] = int32(_decay(v[k], share) + int32(u[k] << scale) + bias[k])
                lowest, highest = min(lowest, v[k]), max(highest, v[k])
            if shift:
                for k in range(size):
                    u[k] = 0
            if lowest < _LOW or highest > _HIGH:
                for k in range(size):
                    held = min(max(v[k], _LOW), _HIGH)
                    clipped += held != v[k]
                    v[k] = held
            fired = bits[y, start // LANES : (start + size + LANES - 1) // LANES]
            whole = size // LANES
            if highest <= limit:
                for k in range(fired.size):
                    fired[k] = 0
                continue
            for k in range(whole):
                fired[k] = _fire(v, uint64(k * LANES), limit, remainder)
                count += population(uint64(fired[k]))
            if whole * LANES < size:
                last = 0
                for k in range(whole * LANES, size):
                    if v[k] > limit:
                        v[k] = int32(v[k] - limit) & remainder
                        last |= 1 << (k - whole * LANES)
                        count += 1
                fired[whole] = last
    return count, clipped
