"""The neurons of one layer during a run: what they hold, and one step of theirs, band by band of output rows."""

import numpy as np

from simulators.afferents import Afferents
from simulators.layout import PreparedLayer, aligned
from simulators.neurons import GROUP, integrate_current, update_neurons

_BAND = 2**18  # neurons of a band, near enough: their accumulators fit a second-level cache


class Population:
    """Everything is allocated once and changed in place by the kernels.

    potential  int32 (neurons,): v, flat HWC
    events     synaptic events of the last step
    overflows  wraps of u and clips of v in the last step
    """

    def __init__(self, layer: PreparedLayer) -> None:
        self._layer = layer
        self._afferents = Afferents(layer)
        rows = layer.neurons // layer.row
        height = rows if self._afferents.whole else max(1, min(rows, _BAND // layer.row))
        self._bands = [(first, min(first + height, rows)) for first in range(0, rows, height)]
        self._accumulator = aligned(height * layer.row, layer.sums)
        self._spikes = np.empty(height * layer.row + GROUP, np.int32)
        self._current = np.zeros(layer.neurons, np.int32) if layer.wraps else None
        self.potential = np.zeros(layer.neurons, np.int32)
        self.events = self.overflows = 0

    def rest(self) -> None:
        """Back to where the run began."""
        self._afferents.rest()
        self.potential[:] = 0
        if self._current is not None:
            self._current[:] = 0

    def step(self, spikes: np.ndarray, values: np.ndarray | None) -> np.ndarray:
        """Take the input's spikes, each with its value or 1; gives those sent: flat HWC indices, int32, ascending."""
        self.overflows = 0
        self._afferents.arrive(spikes, values)
        sent = []
        for band in self._bands:
            self._afferents.add(band, self._accumulator)
            sent.append(self._update(slice(band[0] * self._layer.row, band[1] * self._layer.row)))
        self.events = self._afferents.events
        return np.concatenate(sent)

    def _update(self, neurons: slice) -> np.ndarray:
        """One step of these neurons, and the flat HWC indices of those that fired."""
        layer = self._layer
        accumulator = self._accumulator[: neurons.stop - neurons.start]
        current, shift = accumulator, 6
        if self._current is not None:
            current, shift = self._current[neurons], 0
            self.overflows += integrate_current(accumulator, current, layer.keep_u, layer.narrow)
        count, clipped = update_neurons(
            current, shift, self.potential[neurons], layer.keep_v, layer.bias,
            layer.threshold, layer.subtract, neurons.start, self._spikes,
        )  # fmt: skip
        self.overflows += clipped
        return self._spikes[:count].copy()
