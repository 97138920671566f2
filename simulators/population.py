"""The neurons of one layer during a run: what they hold, and what reaches them, in time or late."""

from dataclasses import dataclass

import numpy as np

from hybridnet.spiking import Shape
from simulators.bits import empty_bits, flat, pack, rows_of
from simulators.delays import DelayLine
from simulators.layout import PreparedLayer, aligned
from simulators.play import add_up, play
from simulators.scatter import feeds
from simulators.vectors import LANES

# Share of a conv's inputs that spike, from which on it is faster to convolve them all: as measured for 16 -> 16
# channels by tests/benchmarks/bench_engine.py. The sums and the events are the same on both paths.
CROSSOVER = 0.3
_NO_FEEDS = np.empty((0, 4), np.int64)
_BAND = 2**15  # neurons of a band, near enough: what they accumulate and hold fits a second-level cache


@dataclass(frozen=True, eq=False)
class Spikes:
    """What is sent in T steps.

    bits     uint64 (T,H,words), see `simulators.bits`
    values   int32 (T,n), flat HWC: what each spike carries; (T,0) if every spike carries 1
    counts   int64 (T,): how many they are
    """

    bits: np.ndarray
    values: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, frames: np.ndarray, graded: bool) -> "Spikes":
        """The elements of frames, (T,C,H,W) or (T,N), that are not zero; 1 each if not graded."""
        steps, shape = len(frames), frames.shape[1:]
        bits, counts = empty_bits(steps, shape), np.empty(steps, np.int64)
        values = np.empty((steps, frames[0].size), np.int32) if graded else _nothing(steps)
        for t, frame in enumerate(frames):
            # Stacking takes an eighth of the time of a transposed copy.
            spiking = np.stack(list(frame != 0), axis=-1) if len(shape) == 3 else frame != 0
            pack(spiking, bits[t])
            counts[t] = np.count_nonzero(spiking)
            if graded:
                values[t] = np.stack(list(frame), axis=-1).ravel() if len(shape) == 3 else frame
        return cls(bits, values, counts)


class Population:
    """Everything is allocated once and changed in place by the kernels.

    potential  int32 (neurons,): v, flat HWC
    events, overflows   int64 (T,): synaptic events, and wraps of u and clips of v, of the last steps played
    """

    def __init__(self, layer: PreparedLayer) -> None:
        self._layer = layer
        rows, row = rows_of(layer.shape)
        self._height = max(1, min(rows, _BAND // row))
        tops = range(0, rows, self._height)
        fed = [feeds(layer.synapses, (top, top + self._height)) if layer.synapses else _NO_FEEDS for top in tops]
        self._feeds, ends = np.concatenate(fed), np.cumsum([len(part) for part in fed])
        self._bands = np.array(
            [
                (top, min(top + self._height, rows), end - len(part), end)
                for top, part, end in zip(tops, fed, ends, strict=True)
            ]
        )
        self._accumulator = aligned(self._height * row, layer.sums)
        self._places = np.empty(rows_of(layer.source)[1] + 1, np.uint32)
        self._frame = np.empty(0, np.int32)  # of the dense path, made when that is first taken
        self._current = np.empty(layer.size, np.int32) if layer.wraps else None
        self._line = None if layer.delay is None else DelayLine(layer.delay, layer.sums)
        self._arrivals = None if layer.delay is None else DelayLine(layer.delay, np.int64)
        self.potential = np.empty(layer.size, np.int32)
        self.events = self.overflows = np.empty(0, np.int64)

    def play(self, spikes: Spikes, rests: np.ndarray, held: np.ndarray) -> Spikes:
        """Take the input's spikes of T steps, give those sent; at rest before every step where `rests`, bool (T,).

        held  int32 (T,neurons): filled with v after every step; (T,0) to leave it
        """
        layer, steps = self._layer, len(rests)
        synapses, convolution, counts = layer.synapses, None, np.zeros((steps, 3), np.int64)
        if layer.delays_inputs:
            spikes = self._late_inputs(spikes, rests)
        elif self._line is not None and synapses is not None:
            spikes, counts[:, 0] = self._late_sums(spikes, rests)
            synapses = None
        dense = spikes.counts > CROSSOVER * np.prod(layer.source)
        if layer.convolution is not None and dense.any():
            convolution = layer.convolution
            if not self._frame.size:
                self._frame = np.empty(convolution.frame_size(self._height), np.int32)
        sent = empty_bits(steps, layer.shape)
        play(
            spikes.bits, spikes.values, synapses, convolution, layer.neurons, dense, rests, self._bands,
            self._feeds, self._accumulator, self._places, self._frame, self._current, self.potential,
            sent.view(np.uint16), held, counts,
        )  # fmt: skip
        self.events, self.overflows = counts[:, 0], counts[:, 2]
        return Spikes(sent, _nothing(steps), counts[:, 1])

    def _late_inputs(self, spikes: Spikes, rests: np.ndarray) -> Spikes:
        """What arrives at each step of inputs with delays of their own."""
        assert self._line is not None
        layer, inputs = self._layer, int(np.prod(self._layer.source))
        shape: Shape = layer.source
        sent = spikes.values if layer.graded else flat(spikes.bits, shape)
        late: np.ndarray = np.empty((len(rests), inputs), np.int32)
        for t, rest in enumerate(rests):
            if rest:
                self._line.clear()
            late[t] = self._line.pass_on(sent[t])
        maps = late if len(shape) == 1 else late.reshape(-1, *shape[1:], shape[0]).transpose(0, 3, 1, 2)
        return Spikes.of(maps, layer.graded)

    def _late_sums(self, spikes: Spikes, rests: np.ndarray) -> tuple[Spikes, np.ndarray]:
        """What arrives at each step at neurons with delays of their own, and the synaptic events by which it does."""
        assert self._line is not None
        assert self._arrivals is not None
        size, events = self._layer.size, np.empty(len(rests), np.int64)
        sums: np.ndarray = np.zeros((len(rests), size + LANES), self._layer.sums)
        add_up(spikes.bits, spikes.values, self._layer.synapses, self._feeds, sums, self._places)
        for t, rest in enumerate(rests):
            if rest:
                self._line.clear()
                self._arrivals.clear()
            sums[t, :size] = self._line.pass_on(sums[t, :size])
            events[t] = self._arrivals.pass_on(np.full(size, spikes.counts[t])).sum()
        return Spikes(spikes.bits, sums, spikes.counts), events


def _nothing(steps: int) -> np.ndarray:
    """No values."""
    return np.empty((steps, 0), np.int32)
