"""The file that `hybridnet simulate --trace` writes: chosen activity of a video's clips, as named arrays in an .npz.

CLIP counts the clips from 0, STREAM and LAYER are named as in the bundle, T is the steps, and index t of an array is
the response to P-frame t + 1. `numpy.load(file, allow_pickle=False)` reads it:

    kind        array                               what it is
    any         CLIP/gop                            int64 (): index of the clip's GOP in its video
    potential   CLIP/STREAM/potential               int32 (C,H,W): v of the last layer after the last step, what crosses
                CLIP/STREAM/scale                   float64 (): real value of one unit of the last layer's v
    spikes      CLIP/STREAM/LAYER/spikes            bool (T,C,H,W)
    v           CLIP/STREAM/LAYER/v                 int32 (T,C,H,W): membrane potential after reset
                CLIP/STREAM/LAYER/threshold         int64 (): in units of v; absent of a readout
    events      CLIP/STREAM/LAYER/events            int64 (T,): synaptic events per step
                CLIP/STREAM/LAYER/spike_counts      int64 (T,): spikes sent per step
                CLIP/STREAM/LAYER/overflow_counts   int64 (T,): wraps and clips at 24 bits per step; absent from Lava

A layer of shape (N,) has arrays (T,N). They are deflated one at a time: memory does not grow with the video.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

import numpy as np

from deploy.files import ArrayArchive
from hybridnet.files import whole_file
from hybridnet.spiking import POTENTIAL_UNITS, SpikingGraph
from hybridnet.trace import Trace
from hybridnet.video import Clip

Keep = Callable[[int, Clip, Mapping[str, Trace]], None]


class Kind(StrEnum):
    """What can be recorded."""

    SPIKES = "spikes"
    V = "v"
    EVENTS = "events"
    POTENTIAL = "potential"


SIMULATED = (Kind.SPIKES, Kind.V)  # a simulator keeps these on request only, the others anyway


@contextmanager
def record_traces(path: Path | None, graphs: Mapping[str, SpikingGraph], kinds: Collection[Kind]) -> Iterator[Keep]:
    """A function that keeps `kinds` of a clip's traces in an .npz, or does nothing without a path.

    It is called with the clip's number, the clip, and its traces by stream, as the graphs are. The file appears whole
    or not at all; OutputError as `whole_file`.
    """
    if path is None:
        yield lambda number, clip, traces: None
        return
    with whole_file(path) as work, ArrayArchive(work, level=1) as archive:

        def keep(number: int, clip: Clip, traces: Mapping[str, Trace]) -> None:
            archive.add(f"{number}/gop", np.int64(clip.gop))
            for stream, graph in graphs.items():
                for name, array in _arrays(graph, traces[stream], kinds):
                    archive.add(f"{number}/{stream}/{name}", array)

        yield keep


def _arrays(
    graph: SpikingGraph, trace: Trace, kinds: Collection[Kind]
) -> Iterator[tuple[str, np.ndarray | np.generic]]:
    if Kind.POTENTIAL in kinds:
        yield "potential", trace.potential
        yield "scale", np.float64(graph.layers[-1].scale / POTENTIAL_UNITS)
    for layer, _, _, _ in graph.neuron_layers():
        name = layer.name
        if Kind.SPIKES in kinds:
            yield f"{name}/spikes", trace.spikes[name]
        if Kind.V in kinds:
            yield f"{name}/v", trace.v[name]
            if layer.threshold is not None:
                yield f"{name}/threshold", np.int64(layer.threshold * POTENTIAL_UNITS)
        if Kind.EVENTS in kinds:
            yield f"{name}/events", trace.events[name]
            yield f"{name}/spike_counts", trace.spike_counts[name]
            if name in trace.overflow_counts:
                yield f"{name}/overflow_counts", trace.overflow_counts[name]
