"""What one video made the network do: exact counts over its clips and streams, and what they are held against."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deploy.bundle import Bundle
from hardware import (
    Count,
    LayerActivity,
    NeuroBench,
    convlstm_spiking,
    count_bridge,
    count_conventional,
    count_spiking,
    dense_spiking,
    neurobench,
    observe,
    silence,
    sum_activities,
)
from hybridnet.spiking import SpikingGraph
from hybridnet.trace import Trace

CONVENTIONAL = "conventional"
BRIDGE = "bridge"
CHIP = "chip"  # what the streams share


@dataclass(frozen=True)
class VideoWork:
    """Counts of one video.

    clips       triplets that ran
    counts      exact operations as they ran, per part, layer and operation
    dense       the same network with its STMs as ordinary convolutions over every pixel
    convlstm    the same network with its STMs as ConvLSTMs
    silent      the streams as they would have been without a spike: what is theirs whatever they do
    neurobench  counts under NeuroBench's names
    rates       spikes per neuron and step, by "stream/layer"; readouts, which never spike, left out
    spike_rate  the same over all spiking layers together
    overflows   wraps and clips of 24-bit state, by "stream/layer", layers without any left out
    """

    clips: int
    counts: tuple[Count, ...]
    dense: tuple[Count, ...]
    convlstm: tuple[Count, ...]
    silent: tuple[Count, ...]
    neurobench: NeuroBench
    rates: Mapping[str, float]
    spike_rate: float
    overflows: Mapping[str, int]


class Tally:
    """Adds up the work of a video clip by clip, so that no trace is kept."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._clips = 0
        self._activities: dict[str, dict[str, LayerActivity]] = {}
        self._overflows: Counter[str] = Counter()

    def add(self, traces: Mapping[str, Trace]) -> None:
        """Count one clip: the traces of its streams. GraphError if they are of another bundle."""
        self._clips += 1
        for stream, trace in traces.items():
            seen = observe(self._bundle.graphs[stream], trace)
            before = [self._activities[stream]] if stream in self._activities else []
            self._activities[stream] = sum_activities([*before, seen])
            self._overflows.update({f"{stream}/{name}": count for name, count in trace.overflows.items()})

    def result(self) -> VideoWork:
        """The video's work so far."""
        streams = {stream: (self._bundle.graphs[stream], seen) for stream, seen in self._activities.items()}
        spiking = {
            f"{stream}/{layer.name}": seen[layer.name]
            for stream, (graph, seen) in streams.items()
            for layer, _, _, _ in graph.neuron_layers()
            if layer.threshold is not None
        }
        shared = self._shared()
        counted = neurobench(streams.values(), self._bundle.manifest.nodes, self._clips)
        return VideoWork(
            clips=self._clips,
            counts=(*self._spiking(self._activities), *shared),
            dense=(*self._instead(dense_spiking), *shared),
            convlstm=(*self._instead(convlstm_spiking), *shared),
            silent=self._spiking({stream: silence(*pair) for stream, pair in streams.items()}),
            neurobench=counted,
            rates={name: activity.spikes / activity.updates for name, activity in spiking.items()},
            spike_rate=sum(a.spikes for a in spiking.values()) / max(sum(a.updates for a in spiking.values()), 1),
            overflows={name: n for name, n in self._overflows.items() if n},
        )

    def _spiking(self, activities: Mapping[str, Mapping[str, LayerActivity]]) -> tuple[Count, ...]:
        return tuple(
            count
            for stream, seen in activities.items()
            for count in count_spiking(stream, self._bundle.graphs[stream], seen)
        )

    def _instead(self, baseline: Callable[[str, SpikingGraph, int], list[Count]]) -> list[Count]:
        """What stands for the streams that ran."""
        graphs = ((stream, self._bundle.graphs[stream]) for stream in self._activities)
        return [count for stream, graph in graphs for count in baseline(stream, graph, graph.steps * self._clips)]

    def _shared(self) -> tuple[Count, ...]:
        """What is the same whatever stands for the STMs: the chip's steps, the bridge, the conventional partition."""
        manifest, clips = self._bundle.manifest, self._clips
        steps = max(graph.steps for graph in self._bundle.graphs.values()) * clips
        return (
            Count(CHIP, "all", "time_step", steps),
            *(count_bridge(BRIDGE, port.name, port.shape, port.bits, clips) for port in manifest.ports),
            *count_conventional(CONVENTIONAL, manifest.nodes, clips),
        )
