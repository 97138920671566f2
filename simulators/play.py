"""One layer over several steps, band by band of output rows (numba, nogil).

A band's neurons meet nothing but their own inputs, so a band is played through all the steps before the next one: what
it accumulates and holds stays in the cache meanwhile, and the interpreter is asked once a layer, not once a step.
"""

import numpy as np

from hybridnet.compiled import njit
from simulators.convolve import Convolution, convolve, place_spikes
from simulators.neurons import Neurons, integrate_current, update_neurons
from simulators.scatter import Synapses, scatter_spikes


@njit(nogil=True, error_model="numpy")
def play(
    bits: np.ndarray,
    values: np.ndarray,
    synapses: Synapses | None,
    convolution: Convolution | None,
    neurons: Neurons,
    dense: np.ndarray,
    rests: np.ndarray,
    bands: np.ndarray,
    feeds: np.ndarray,
    accumulator: np.ndarray,
    places: np.ndarray,
    frame: np.ndarray,
    current: np.ndarray | None,
    potential: np.ndarray,
    sent: np.ndarray,
    held: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Play a layer through T steps.

    bits          uint64 (T,H,words): the inputs that spike, see `simulators.bits`
    values        int32 (T, inputs and more): what each carries; (T,0) if every spike carries 1. Without synapses what
                  reaches each neuron, in the accumulator's dtype
    dense         bool (T,): whether a step takes the dense path, for which `convolution` must be given
    rests         bool (T,): whether the layer is brought back to rest before a step
    bands         int64 (n,4): of every band its output rows, from the first to below the second, and so its `feeds`
    feeds         int64 (m,4): the input rows that feed one band after the other, see `scatter_spikes`
    accumulator   int32 or int64, 0: a band's neurons, and LANES more
    places        uint32: scratch for the spikes of one input row, see `scatter_spikes`
    frame         int32: scratch of the dense path, see `place_spikes`
    current       int32 (n,): u, changed in place; None where no u is kept or wrapped
    potential     int32 (n,): v, changed in place
    sent          uint16 (T, rows, 4 * words): filled with the spikes
    held          int32 (T,n): filled with v after every step; (T,0) to leave it
    counts        int64 (T,3): synaptic events, spikes, and wraps of u with clips of v, added to
    """
    row = neurons.bias.size
    for b in range(bands.shape[0]):
        top, bottom, first_feed, past_feed = bands[b]
        first, past = top * row, bottom * row
        v, fed = potential[first:past], feeds[first_feed:past_feed]
        for t in range(sent.shape[0]):
            if rests[t]:
                for k in range(past - first):
                    v[k] = 0
                if current is not None:
                    for k in range(first, past):
                        current[k] = 0
            if synapses is None:
                for k in range(past - first):
                    accumulator[k] = values[t, first + k]
            elif convolution is not None and dense[t]:
                counts[t, 0] += place_spikes(bits[t], values[t], synapses, convolution, fed, top, frame, places)
                convolve(frame, convolution, bottom - top, accumulator)
            else:
                counts[t, 0] += scatter_spikes(bits[t], values[t], synapses, fed, accumulator, places)
            if current is None:
                fired, clipped = update_neurons(accumulator, 6, v, neurons, sent[t, top:bottom])
            else:
                u = current[first:past]
                counts[t, 2] += integrate_current(accumulator, u, neurons.keep_u, neurons.narrow)
                fired, clipped = update_neurons(u, 0, v, neurons, sent[t, top:bottom])
            counts[t, 1] += fired
            counts[t, 2] += clipped
            if held.shape[1]:
                for k in range(past - first):
                    held[t, first + k] = v[k]


@njit(nogil=True, error_model="numpy")
def add_up(
    bits: np.ndarray, values: np.ndarray, synapses: Synapses, feeds: np.ndarray, sums: np.ndarray, places: np.ndarray
) -> None:
    """What reaches the neurons of a layer of one band at each step, added to `sums`, (T, n + LANES), 0 before."""
    for t in range(sums.shape[0]):
        scatter_spikes(bits[t], values[t], synapses, feeds, sums[t], places)
