"""The health of the spiking layers over a video: dead, always on, saturated, and the room under their thresholds.

`Checkup` adds up clip after clip, holding a state or two of each layer, never a recording. Counts are always known;
what happened to single neurons only where spikes and potentials were recorded in every clip.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hybridnet.spiking import POTENTIAL_LIMIT, POTENTIAL_UNITS, Layer, Shape, SpikingGraph
from hybridnet.trace import Trace

ALWAYS_ON = 0.5  # spikes per neuron and step above which a layer says little by spiking
STUCK = 0.01  # share of a layer's neurons firing at every single step that is worth a word
NEAR = 0.5  # of the threshold: from here on a neuron that never spiked came near it
NAMED = 8  # dead channels named one by one


@dataclass(frozen=True)
class LayerHealth:
    """What one layer did over all clips of a video; None for what was not recorded, or does not exist.

    name            "stream/layer"
    clips           how many it saw
    channels        C of (C,H,W), N of (N,)
    neurons         in one copy of the layer
    updates         membrane updates: neurons x steps x clips
    events          synaptic events that reached it; None of an input layer, which has no synapses
    spikes          spikes sent; None of a readout
    overflows       wraps and clips at 24 bits; None if the backend does not count them (Lava)
    first_overflow  (clip, step) of the first of them: the clip from 0, the step from 1
    dead_channels   channels whose neurons never spiked
    spiking         neurons that spiked at least once
    always_on       neurons that spiked at every step of every clip
    near            neurons that never spiked, but came to NEAR of the threshold or more
    highest         highest potential that was left after a step, in thresholds
    reach           largest magnitude of v, as a share of its 24-bit limit; of a readout at least after the last step
    """

    name: str
    clips: int
    channels: int
    neurons: int
    updates: int
    events: int | None
    spikes: int | None
    overflows: int | None
    first_overflow: tuple[int, int] | None
    dead_channels: tuple[int, ...] | None
    spiking: int | None
    always_on: int | None
    near: int | None
    highest: float | None
    reach: float | None

    @property
    def rate(self) -> float | None:
        """Spikes per neuron and step."""
        return None if self.spikes is None else self.spikes / self.updates


@dataclass(frozen=True)
class Finding:
    """Something wrong with a layer, and its remedy.

    layer     "stream/layer"
    problem   "dead", "dead channels" (of a dense layer, "dead neurons"), "always on" or "saturated"
    words     what was seen, the limit, the remedy
    """

    layer: str
    problem: str
    words: str


class Checkup:
    """Adds up the health of every layer with neurons, clip by clip.

    graphs   by stream
    """

    def __init__(self, graphs: Mapping[str, SpikingGraph]) -> None:
        self._charts = {
            (stream, layer.name): _Chart(f"{stream}/{layer.name}", layer, shape)
            for stream, graph in graphs.items()
            for layer, _, shape, _ in graph.neuron_layers()
        }

    def add(self, traces: Mapping[str, Trace]) -> None:
        """Look at one clip: the traces of its streams."""
        for (stream, layer), chart in self._charts.items():
            chart.add(layer, traces[stream])

    def result(self) -> tuple[LayerHealth, ...]:
        """The layers so far, in the order of the graphs."""
        return tuple(chart.result() for chart in self._charts.values())


class _Chart:
    """One layer's running sums and extremes. Those of single neurons are (C,H,W) or (N,), and end at a gap."""

    def __init__(self, name: str, layer: Layer, shape: Shape) -> None:
        self._name, self._layer, self._shape = name, layer, shape
        self._clips = self._steps = self._updates = self._events = self._spikes = 0
        self._overflows: int | None = 0
        self._first_overflow: tuple[int, int] | None = None
        self._times: np.ndarray | None = np.zeros(shape, np.int32)  # spikes of every neuron
        self._peaks: np.ndarray | None = np.full(shape, -POTENTIAL_LIMIT, np.int32)
        self._reach = 0

    def add(self, name: str, trace: Trace) -> None:
        self._steps += len(trace.spike_counts[name])
        self._updates += trace.updates[name]
        self._events += int(trace.events[name].sum())
        self._spikes += int(trace.spike_counts[name].sum())
        counts = trace.overflow_counts.get(name)
        if counts is None or self._overflows is None:
            self._overflows = None
        else:
            if self._first_overflow is None and counts.any():
                self._first_overflow = (self._clips, int(np.flatnonzero(counts)[0]) + 1)
            self._overflows += int(counts.sum())
        spikes, v = trace.spikes.get(name), trace.v.get(name)
        self._times = None if spikes is None or self._times is None else self._times + spikes.sum(0, np.int32)
        self._peaks = None if v is None or self._peaks is None else np.maximum(self._peaks, v.max(axis=0))
        seen = trace.potential if v is None else v
        if v is not None or self._layer.threshold is None:
            self._reach = max(self._reach, int(seen.max()), -int(seen.min()))
        self._clips += 1

    def result(self) -> LayerHealth:
        neurons, channels = int(np.prod(self._shape)), self._shape[0]
        spikes: int | None = self._spikes
        dead, spiking, always_on, near, highest = None, None, None, None, None
        times, peaks, limit = self._times, self._peaks, self._layer.threshold
        if limit is None:
            spikes = times = None
        if times is not None:
            fired = times > 0
            dead = tuple(np.flatnonzero(~fired.reshape(channels, -1).any(axis=1)).tolist())
            spiking = int(fired.sum())
            always_on = int((times == self._steps).sum())
        if peaks is not None and limit:
            highest = int(peaks.max()) / (limit * POTENTIAL_UNITS)
            if times is not None:
                near = int(((times == 0) & (peaks >= NEAR * limit * POTENTIAL_UNITS)).sum())
        known = self._peaks is not None or limit is None
        return LayerHealth(
            name=self._name, clips=self._clips, channels=channels, neurons=neurons, updates=self._updates,
            events=None if self._layer.kind == "input" else self._events, spikes=spikes,
            overflows=self._overflows, first_overflow=self._first_overflow,
            dead_channels=dead, spiking=spiking, always_on=always_on, near=near, highest=highest,
            reach=self._reach / POTENTIAL_LIMIT if known else None,
        )  # fmt: skip


def find_problems(layers: tuple[LayerHealth, ...]) -> tuple[Finding, ...]:
    """What is wrong with these layers, each with its remedy; empty if nothing is."""
    checks = (_dead, _dead_channels, _always_on, _saturated)
    found = [(layer.name, check(layer)) for layer in layers for check in checks]
    return tuple(Finding(name, *problem) for name, problem in found if problem)


def _dead(layer: LayerHealth) -> tuple[str, str] | None:
    """No spike at all; of a readout, no potential."""
    if layer.spikes or (layer.spikes is None and layer.reach):
        return None
    if layer.events == 0:
        return "dead", f"nothing reached it in {_clips(layer)}: see the layer before it, or take a video that moves"
    if layer.spikes is None:
        return "dead", f"its potential is 0 after each of {_clips(layer)}: its weights are 0 or cancel; train on"
    near = "" if layer.highest is None else f", its highest potential is {layer.highest:.1%} of its threshold"
    return "dead", f"no spike in {_clips(layer)}{near}: lower its threshold, or scale its weights up and train on"


def _dead_channels(layer: LayerHealth) -> tuple[str, str] | None:
    if not layer.spikes or not layer.dead_channels:
        return None
    dead = layer.dead_channels
    names = ", ".join(map(str, dead[:NAMED])) + (", ..." if len(dead) > NAMED else "")
    noun = "neurons" if layer.channels == layer.neurons else "channels"
    words = f"{len(dead):,} of {layer.channels:,} {noun} never spiked in {_clips(layer)} ({names})"
    return f"dead {noun}", f"{words}: prune them, or train on with a lower threshold"


def _always_on(layer: LayerHealth) -> tuple[str, str] | None:
    remedy = "raise its threshold, or let it leak more, and train on"
    rate = layer.rate or 0.0
    if rate > ALWAYS_ON:
        return "always on", f"{rate:.1%} of its neurons spike in a step, the limit is {ALWAYS_ON:.0%}: {remedy}"
    if layer.always_on and layer.always_on > STUCK * layer.neurons:
        share = f"{layer.always_on:,} of {layer.neurons:,} neurons spike at every step"
        return "always on", f"{share}, the limit is {STUCK:.0%} of them: {remedy}"
    return None


def _saturated(layer: LayerHealth) -> tuple[str, str] | None:
    if not layer.overflows or not layer.first_overflow:
        return None
    clip, step = layer.first_overflow
    share = (
        f"{layer.overflows:,} wraps and clips at 24 bits, {100 * layer.overflows / layer.updates:.2g}% of the updates"
    )
    words = f"{share}, the first in clip {clip} at step {step}"
    return "saturated", f"{words}: the same on every backend, but give it a larger scale, so that its integers shrink"


def _clips(layer: LayerHealth) -> str:
    return f"{layer.clips:,} clip{'' if layer.clips == 1 else 's'}"
