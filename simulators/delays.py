"""The delays of dense layers: what is on its way between one step and a later one."""

import numpy as np

from hybridnet.spiking import Layer


class DelayLine:
    """Takes a vector every step and gives, element by element, the one of `delay` steps before; 0 before the first."""

    def __init__(self, delay: np.ndarray, dtype: type) -> None:
        """delay: int (n,), 0 or more; dtype: of the vectors."""
        self._delay = delay
        self._held: np.ndarray = np.zeros((int(delay.max()) + 1, len(delay)), dtype)
        self._step = 0

    def clear(self) -> None:
        """Lose what is on its way."""
        self._held[:] = 0

    def pass_on(self, values: np.ndarray) -> np.ndarray:
        """The vector that arrives now, (n,), when `values`, (n,), set off now."""
        slots = len(self._held)
        self._held[self._step % slots] = values
        arrived = self._held[(self._step - self._delay) % slots, np.arange(len(self._delay))]
        self._step += 1
        return arrived


def delays_inputs(layer: Layer) -> bool:
    """Whether the layer's delay is one per input, not one per neuron."""
    return layer.delay is not None and len(layer.delay) != len(layer.weight)
