"""What the ledger asks of a run beyond its trace: active neurons, and the synaptic events whose weight is not zero."""

import numpy as np

from hybridnet.spiking import Layer, Shape
from simulators.events import taps_reached


class Activity:
    """Counts of one run; `see_input`, then `see_layer` of one layer after the other, over some steps from `start` on.

    active      int64 (T,) by layer: neurons whose potential is not zero after the step, or that spiked
    effective   int64 (T,) by layer: events whose weight is not zero, counted when they are sent, delayed or not
    """

    def __init__(self, fan_outs: dict[str, np.ndarray], steps: int) -> None:
        """`fan_outs`: of every layer, see `effective_fan_out`, int (inputs,) in the order of its spikes' indices."""
        self._fan_outs = fan_outs
        self._sent: list[np.ndarray] = []
        self.active = {name: np.zeros(steps, np.int64) for name in fan_outs}
        self.effective = {name: np.zeros(steps, np.int64) for name in fan_outs}

    def see_input(self, spikes: list[np.ndarray]) -> None:
        """Of every step the indices of the input's non-zero elements."""
        self._sent = spikes

    def see_layer(self, start: int, name: str, spikes: list[np.ndarray], potentials: np.ndarray) -> None:
        """Of every step the indices of the layer's spikes, and its potentials after reset."""
        for step, (arrived, sent, potential) in enumerate(zip(self._sent, spikes, potentials, strict=True), start):
            self.effective[name][step] = self._fan_outs[name][arrived].sum()
            reset = len(sent) - np.count_nonzero(potential[sent])
            self.active[name][step] = np.count_nonzero(potential) + reset
        self._sent = spikes


def effective_fan_out(layer: Layer, source: Shape, shape: Shape) -> np.ndarray:
    """Synapses of a weight other than zero that one input element reaches: int64 (C,H,W) of a conv, (N,) of the others.

    source, shape   the layer's input and output
    """
    if layer.kind == "input":
        return np.zeros(source, np.int64)
    if layer.kind == "dense":
        return np.count_nonzero(layer.weight, axis=0)
    grouped = layer.weight.reshape(layer.groups, -1, *layer.weight.shape[1:])
    weights = np.count_nonzero(grouped, axis=1).reshape(source[0], *layer.weight.shape[2:])
    rows, columns = (taps_reached(layer, axis, source[1 + axis], shape[1 + axis]) for axis in (0, 1))
    return (rows[None].astype(np.int64) @ weights) @ columns.T.astype(np.int64)
