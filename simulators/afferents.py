"""What reaches the neurons of one layer in a step: its input's spikes, by the event path or the dense path, or late."""

import numpy as np

from simulators.convolve import convolve, place_spikes
from simulators.delays import DelayLine
from simulators.layout import Convolution, PreparedLayer, Synapses
from simulators.scatter import scatter_spikes

# Share of a conv's inputs that spike, from which on it is faster to convolve them all: as measured for 16 -> 16
# channels by tests/benchmarks/bench_engine.py. The sums and the events are the same on both paths.
CROSSOVER = 0.2

Band = tuple[int, int]  # output rows from the first to below the second


class Afferents:
    """`arrive` takes one step's input, `add` then gives it to each band of output rows.

    whole   whether there must be one band only, for delays keep every neuron's input
    events  synaptic events of the step, counted as they arrive: complete when every band was added
    """

    def __init__(self, layer: PreparedLayer) -> None:
        self._layer = layer
        self._ones: np.ndarray = np.empty(0, layer.sums)
        self._spikes, self._values, self._starts = np.empty(0, np.int32), self._ones, np.empty(0, np.int64)
        self._reached = np.empty((layer.synapses.runs if layer.synapses else 0, 4), np.uint64)
        self._frame = np.empty(0, np.int32)  # of the dense path, made when that is first taken
        self._dense = False
        self._line = None if layer.delay is None else DelayLine(layer.delay, layer.sums)
        self._arrivals = None if layer.delay is None else DelayLine(layer.delay, np.int64)
        self.whole = layer.delay is not None
        self.events = 0

    def rest(self) -> None:
        """Lose what is on its way."""
        if self._line is not None and self._arrivals is not None:
            self._line.clear()
            self._arrivals.clear()

    def arrive(self, spikes: np.ndarray, values: np.ndarray | None) -> None:
        """Take the flat HWC indices of the inputs that spiked, int32 (n,), ascending, and what each carries, or 1."""
        layer = self._layer
        if self._line is not None and layer.delays_inputs and layer.synapses:
            sent: np.ndarray = np.zeros(layer.synapses.inputs, layer.sums)
            sent[spikes] = 1 if values is None else values
            arrived = self._line.pass_on(sent)
            spikes = np.flatnonzero(arrived).astype(np.int32)
            values = arrived[spikes] if layer.graded else None
        self._spikes, self._values, self.events = spikes, self._ones if values is None else values, 0
        if layer.synapses is None:
            return
        row = layer.synapses.inputs // len(layer.synapses.rows)
        self._starts = np.searchsorted(spikes, np.arange(len(layer.synapses.rows) + 1) * row)
        self._dense = layer.convolution is not None and len(spikes) > CROSSOVER * layer.synapses.inputs
        if self._dense and layer.convolution is not None:
            self.events = self._place(layer.synapses, layer.convolution)

    def add(self, band: Band, accumulator: np.ndarray) -> None:
        """Add what reaches the band to its accumulator, flat (rows,W,Cout) and LANES more."""
        layer = self._layer
        if layer.synapses is None:
            accumulator[self._spikes] = self._values if layer.graded else 1
        elif self._dense and layer.convolution is not None:
            self._convolve(layer.convolution, band, accumulator)
        else:
            self.events += self._scatter(layer.synapses, band, accumulator)
        if self._line is not None and self._arrivals is not None and not layer.delays_inputs:
            neurons = accumulator[: layer.neurons]
            neurons[:] = self._line.pass_on(neurons)
            self.events = int(self._arrivals.pass_on(np.full(layer.neurons, len(self._spikes))).sum())

    def _scatter(self, synapses: Synapses, band: Band, accumulator: np.ndarray) -> int:
        events: int = scatter_spikes(
            self._spikes, self._values, self._starts, synapses.source, synapses.outputs, synapses.weight, synapses.rows,
            synapses.row_steps, synapses.columns, synapses.column_steps, band, accumulator, self._reached,
        )  # fmt: skip
        return events

    def _place(self, synapses: Synapses, convolution: Convolution) -> int:
        if not self._frame.size:
            self._frame = np.empty(convolution.size, np.int32)
        events: int = place_spikes(
            self._spikes, self._values, self._starts, synapses.source, convolution.pitch, convolution.corner,
            synapses.rows, synapses.columns, self._frame,
        )  # fmt: skip
        return events

    def _convolve(self, convolution: Convolution, band: Band, accumulator: np.ndarray) -> None:
        convolve(
            self._frame, convolution.pitch, convolution.groups, convolution.weight, convolution.taps,
            convolution.dilation, convolution.stride, convolution.width, band, accumulator,
        )  # fmt: skip
