"""The engine's inner loops: spikes scattered into accumulators, and neurons updated in one pass (numba, nogil).

Activity is flat in HWC order, so the output channels that one input reaches lie side by side. Currents and
potentials are int32; a sum that could leave its range is wrapped on purpose, where Lava wraps it.
"""

import numpy as np
from numba import int32, njit, uint8, uint32

from hybridnet.spiking import POTENTIAL_LIMIT

BLOCK = 2048  # neurons updated at a time, so that every pass over a block finds it in the first-level cache
SPIKE_MARGIN = 8  # collecting writes up to this many entries past the last spike

_HALF = POTENTIAL_LIMIT + 1  # 2^23: a holds -2^23..2^23-1, u is brought back once when it leaves (-2^23, 2^23]
_LOW, _HIGH = np.int32(-POTENTIAL_LIMIT), np.int32(POTENTIAL_LIMIT)


@njit(nogil=True, cache=True, inline="always")
def _decay(x: np.int32, keep: np.uint32) -> np.int32:
    """trunc0(x * keep / 4096) of an int32, 0 <= keep <= 4096; split at 12 bits, so that 32 bits hold every product."""
    sign = int32(x >> int32(31))
    size = uint32(int32(x ^ sign) - sign)
    high, low = uint32(size >> uint32(12)), uint32(size & uint32(4095))
    kept = uint32(uint32(high * keep) + uint32(uint32(low * keep) >> uint32(12)))
    return int32(int32(int32(kept) ^ sign) - sign)


@njit(nogil=True, cache=True)
def scatter_spikes(
    spikes: np.ndarray,
    values: np.ndarray,
    shape: tuple[int, int],
    groups: tuple[int, int],
    weight: np.ndarray,
    rows: np.ndarray,
    row_starts: np.ndarray,
    columns: np.ndarray,
    column_starts: np.ndarray,
    accumulator: np.ndarray,
) -> int:
    """Add the weights that every spike reaches to the accumulator; returns the number of synaptic events.

    spikes         int32 (n,): flat HWC indices of the inputs that spiked
    values         what each spike carries, in the accumulator's dtype; empty if every spike carries 1
    shape          (width, channels) of the input
    groups         (input, output) channels of one group
    weight         int32, flat (Cin, kh, kw, Cout/groups), the kernel's columns reversed
    rows           int64 (k, 2): weight offset and accumulator offset of every kernel row that an input row reaches;
                   those of input row y are row_starts[y]:row_starts[y + 1]
    columns        int64 (k, 3): the same for runs of kernel columns, and the length of the run in weights
    accumulator    int32 or int64, flat (H,W,Cout), changed in place
    """
    events = 0
    graded = values.size > 0
    value = accumulator.dtype.type(1)
    width, channels = uint32(shape[0]), uint32(shape[1])
    fan_in, fan_out = groups
    span = weight.size // shape[1]
    for e in range(spikes.size):
        spike = uint32(spikes[e])
        position = uint32(spike // channels)
        channel = uint32(spike - uint32(position * channels))
        y = uint32(position // width)
        x = uint32(position - uint32(y * width))
        if graded:
            value = values[e]
        first_row, last_row = row_starts[y], row_starts[y + uint32(1)]
        for column in range(column_starts[x], column_starts[x + uint32(1)]):
            source = channel * span + columns[column, 0]
            target = channel // fan_in * fan_out + columns[column, 1]
            length = columns[column, 2]
            for row in range(first_row, last_row):
                begin, into = source + rows[row, 0], target + rows[row, 1]
                synapses, reached = weight[begin : begin + length], accumulator[into : into + length]
                if graded:
                    for k in range(length):
                        reached[k] += value * synapses[k]
                else:
                    for k in range(length):
                        reached[k] += synapses[k]
            events += (last_row - first_row) * length
    return events


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
def update_neurons(
    current: np.ndarray,
    shift: int,
    potential: np.ndarray,
    keep: int,
    bias: np.ndarray,
    threshold: int,
    subtract: bool,
    fired: np.ndarray,
    spikes: np.ndarray,
) -> tuple[int, int]:
    """Decay, integrate, clip, fire and reset every neuron; returns (spikes sent, potentials clipped).

    current    int32 (n,): a, cleared here (shift 6), or u, kept (shift 0)
    potential  int32 (n,), changed in place
    keep       4096 - decay_v
    bias       int32 (block,): bias * 64 of one block of neurons; blocks repeat, so its length is a multiple of Cout
    threshold  threshold * 64; a readout's is above every potential
    subtract   reset by subtraction instead of to zero
    fired      uint8 scratch, at least block + 7 long and a multiple of 8
    spikes     int32 (n + SPIKE_MARGIN,): filled with the flat indices of the neurons that fired, ascending
    """
    count, clipped = 0, 0
    share, scale, limit = uint32(keep), int32(shift), int32(threshold)
    remainder = int32(-1 if subtract else 0)
    words = fired.view(np.uint64)
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
            for k in range(size):
                fired[k] = uint8(v[k] > limit)
            for k in range(size):
                v[k] = int32(v[k] - limit) & remainder if v[k] > limit else v[k]
            fired[size : size + SPIKE_MARGIN] = 0
            for word in range((size + 7) // 8):
                if words[word]:
                    for k in range(8 * word, 8 * word + 8):
                        spikes[count] = start + k
                        count += fired[k]
    return count, clipped
