"""The neurons' equations, a block at a time (numba, nogil).

Currents and potentials are int32; a sum that could leave its range is wrapped on purpose, where Lava wraps it.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import int32, types, uint32, uint64
from numba.extending import intrinsic

from hybridnet.compiled import njit
from hybridnet.spiking import POTENTIAL_LIMIT

BLOCK = 2048  # neurons updated at a time, so that every pass over a block finds it in the first-level cache
GROUP = 8  # neurons that fire at a time; as many entries are written past the last spike

_HALF = POTENTIAL_LIMIT + 1  # 2^23: a holds -2^23..2^23-1, u is brought back once when it leaves (-2^23, 2^23]
# Of every set of fired neurons in a group, as bits, their places in ascending order: uint8 (256 * GROUP,).
_PLACES = np.zeros((2**GROUP, GROUP), np.uint8)
for _fired in range(2**GROUP):
    _set = [place for place in range(GROUP) if _fired >> place & 1]
    _PLACES[_fired, : len(_set)] = _set
_PLACES = _PLACES.ravel()
_LOW, _HIGH = np.int32(-POTENTIAL_LIMIT), np.int32(POTENTIAL_LIMIT)


@njit(nogil=True, inline="always")
def _decay(x: np.int32, keep: np.uint32) -> np.int32:
    """trunc0(x * keep / 4096) of an int32, 0 <= keep <= 4096; split at 12 bits, so that 32 bits hold every product."""
    sign = int32(x >> int32(31))
    size = uint32(int32(x ^ sign) - sign)
    high, low = uint32(size >> uint32(12)), uint32(size & uint32(4095))
    kept = uint32(uint32(high * keep) + uint32(uint32(low * keep) >> uint32(12)))
    return int32(int32(int32(kept) ^ sign) - sign)


@njit(nogil=True)
def integrate_current(accumulator: np.ndarray, current: np.ndarray, keep: int, narrow: bool) -> int:
    """u = decayed u + a * 64 with every wrap of Lava's; clears the accumulator, returns how many u were wrapped.

    Lava holds a of a Conv in 24 bits (modular, `narrow`) and of a Dense in 32; u in 32 bits, brought back by 2^24
    once when it leaves (-2^23, 2^23]. A wrap is counted when u ends up different from the exact sum.

    accumulator int32 or int64 (n,), |a| < 2^57; current int32 (n,), changed in place; keep 4096 - decay_u.
    """
    wraps = 0
    share = uint32(keep)
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
def _fire(
    typing: Any, potential: Any, at: Any, limit: Any, remainder: Any, places: Any, first: Any, spikes: Any, count: Any
) -> Any:
    """Fire those of the GROUP neurons from `at` on that exceed `limit`; returns the spikes so far, `count` before.

    Their potential, less the limit, is masked with `remainder`. Without a branch: every group writes GROUP indices and
    keeps those that its fired neurons, as bits, name in `places`.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits, kinds = ir.IntType(32), signature.args
        lanes = ir.VectorType(bits, GROUP)

        def splat(value: Any) -> Any:
            one = builder.insert_element(ir.Constant(lanes, ir.Undefined), value, bits(0))
            return builder.shuffle_vector(one, one, ir.Constant(lanes, [0] * GROUP))

        def pointer(which: int, index: Any, kind: Any) -> Any:
            data = context.make_array(kinds[which])(context, builder, arguments[which]).data
            return builder.bitcast(builder.gep(data, [index]), kind.as_pointer())

        _, at, limit, remainder, _, first, _, count = arguments
        here = pointer(0, at, lanes)
        v = builder.load(here, align=4)
        fired = builder.icmp_signed(">", v, splat(limit))
        left = builder.and_(builder.sub(v, splat(limit)), splat(remainder))
        builder.store(builder.select(fired, left, v), here, align=4)
        mask = builder.bitcast(fired, ir.IntType(GROUP))
        row = builder.mul(builder.zext(mask, ir.IntType(64)), ir.IntType(64)(GROUP))
        named = builder.load(pointer(4, row, ir.VectorType(ir.IntType(8), GROUP)), align=1)
        indices = builder.add(builder.zext(named, lanes), splat(builder.trunc(first, bits)))
        builder.store(indices, pointer(6, count, lanes), align=4)
        return builder.add(count, builder.zext(builder.ctpop(mask), ir.IntType(64)))

    whole = types.uint64
    return whole(potential, whole, types.int32, types.int32, places, whole, spikes, whole), build


@njit(nogil=True)
def update_neurons(
    current: np.ndarray,
    shift: int,
    potential: np.ndarray,
    keep: int,
    bias: np.ndarray,
    threshold: int,
    subtract: bool,
    first: int,
    spikes: np.ndarray,
) -> tuple[int, int]:
    """Decay, integrate, clip, fire and reset every neuron; returns (spikes sent, potentials clipped).

    current    int32 (n,): a, cleared here (shift 6), or u, kept (shift 0)
    potential  int32 (n,), changed in place
    keep       4096 - decay_v
    bias       int32 (block,): bias * 64 of one block of neurons; blocks repeat, so its length is a multiple of Cout
    threshold  threshold * 64; a readout's is above every potential
    subtract   reset by subtraction instead of to zero
    first      flat index of the first of these neurons in their layer
    spikes     int32 (n + GROUP,): filled with the flat indices of the neurons that fired, ascending
    """
    count, clipped = uint64(0), 0
    share, scale, limit = uint32(keep), int32(shift), int32(threshold)
    remainder = int32(-1 if subtract else 0)
    for start in range(0, potential.size, bias.size):
        size = min(bias.size, potential.size - start)
        v, u = potential[start : start + size], current[start : start + size]
        lowest, highest = int32(0), int32(0)
        for k in range(size):
            v[k] = int32(_decay(v[k], share) + int32(u[k] << scale) + bias[k])
            lowest, highest = min(lowest, v[k]), max(highest, v[k])
        if shift:
            u[:] = 0
        if lowest < _LOW or highest > _HIGH:
            for k in range(size):
                held = min(max(v[k], _LOW), _HIGH)
                clipped += held != v[k]
                v[k] = held
        if highest > limit:
            groups = size // GROUP * GROUP
            for k in range(0, groups, GROUP):
                at, number = uint64(k), uint64(first + start + k)
                count = _fire(v, at, limit, remainder, _PLACES, number, spikes, count)  # type: ignore[call-arg]
            for k in range(groups, size):
                if v[k] > limit:
                    v[k] = int32(v[k] - limit) & remainder
                    spikes[count] = first + start + k
                    count += uint64(1)
    return int(count), clipped
