"""What a simulator saw: the `Trace` of one spiking graph over one input."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Trace:
    """Activity of every layer over T steps; step t is the response to input t, whatever the backend's pipeline delay.

    Mappings are keyed by layer name, in the graph's order. Only layers with neurons appear (a flatten has none).

    backend       "integer", "lava" or "lava-stock"
    potential     int32 (C,H,W) or (N,), 24-bit signed range: the last layer's membrane potential after the last step
    spikes        bool (T,C,H,W) or (T,N); recorded on request ("spikes")
    v             int32 (T,C,H,W) or (T,N): membrane potential after reset at each step; recorded on request ("v")
    spike_counts  int64 (T,): spikes sent per step
    events        int64 (T,): synaptic events per step: every non-zero input times the synapses it reaches,
                  padding edges excluded, zero weights included (an event is delivered before its weight is known)
    updates       int: membrane updates, neurons x T
    overflow_counts   int64 (T,): wraps of u plus clips of v at 24 bits per step. Exact, and a sign of a bad scale.
                      Empty for Lava, which does not report them
    inputs        int64 (T,): non-zero elements of the graph's input per step
    active_counts int64 (T,): neurons whose potential is not zero after the step, or that spiked; on request ("counts")
    effective     int64 (T,): the synaptic events whose weight is not zero; on request ("counts")
    """

    backend: str
    potential: np.ndarray
    spikes: Mapping[str, np.ndarray]
    v: Mapping[str, np.ndarray]
    spike_counts: Mapping[str, np.ndarray]
    events: Mapping[str, np.ndarray]
    updates: Mapping[str, int]
    overflow_counts: Mapping[str, np.ndarray]
    inputs: np.ndarray
    active_counts: Mapping[str, np.ndarray] = field(default_factory=dict)
    effective: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def overflows(self) -> dict[str, int]:
        """Wraps and clips of all steps together."""
        return {name: int(counts.sum()) for name, counts in self.overflow_counts.items()}
