"""What one video made the network do: exact counts, summed over its clips and streams, and the dense baseline."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from deploy.bundle import Bundle
from hardware import Count, add_counts, count_conventional, count_spiking, dense_spiking
from hybridnet.trace import Trace

CONVENTIONAL = "conventional"


@dataclass(frozen=True)
class VideoWork:
    """Counts of one video.

    clips      triplets that ran
    counts     exact operations as they ran, per part, layer and operation
    dense      the same network with its STMs as ordinary convolutions over every pixel: the dense baseline
    rates      spikes per neuron and step, by "stream/layer"; readouts, which never spike, left out
    spike_rate the same over all spiking layers together
    overflows  wraps and clips of 24-bit state, by "stream/layer", layers without any left out
    """

    clips: int
    counts: tuple[Count, ...]
    dense: tuple[Count, ...]
    rates: Mapping[str, float]
    spike_rate: float
    overflows: Mapping[str, int]


class Tally:
    """Adds up the work of a video clip by clip, so that no trace is kept."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._clips = 0
        self._counts: list[Count] = []
        self._spikes: Counter[str] = Counter()
        self._updates: Counter[str] = Counter()
        self._overflows: Counter[str] = Counter()

    def add(self, traces: Mapping[str, Trace]) -> None:
        """Count one clip: the traces of its streams."""
        self._clips += 1
        for stream, trace in traces.items():
            graph = self._bundle.graphs[stream]
            self._counts = add_counts([*self._counts, *count_spiking(stream, graph, trace)])
            for layer, _, _, _ in graph.neuron_layers():
                name = f"{stream}/{layer.name}"
                self._overflows[name] += trace.overflows.get(layer.name, 0)
                if layer.threshold is not None:
                    self._spikes[name] += int(trace.spike_counts[layer.name].sum())
                    self._updates[name] += trace.updates[layer.name]

    def result(self) -> VideoWork:
        """The video's work so far."""
        manifest, graphs = self._bundle.manifest, self._bundle.graphs
        conventional = count_conventional(CONVENTIONAL, manifest.macs, self._clips)
        dense = [
            count for name, graph in graphs.items() for count in dense_spiking(name, graph, graph.steps * self._clips)
        ]
        return VideoWork(
            clips=self._clips,
            counts=(*self._counts, *conventional),
            dense=(*dense, *conventional),
            rates={name: self._spikes[name] / updates for name, updates in self._updates.items()},
            spike_rate=self._spikes.total() / max(self._updates.total(), 1),
            overflows={name: n for name, n in self._overflows.items() if n},
        )
