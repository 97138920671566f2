"""What a video makes of each form of a model: its logits, and what they cost.

float       nothing of the STMs quantised or rounded: real weights, leaks, thresholds and potentials
quantised   the model as it was trained: STMs in the chip's integers; where there are no STMs it is the float model
bundle      as deployed: the integer engine or Lava, the bridge, ONNX Runtime
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from deploy.partition import streams
from deploy.runtime import Runtime, use_clips
from deploy.work import Tally, VideoWork
from hardware import Target, estimate_energy
from hybridnet.model.checkpoint import Checkpoint
from hybridnet.model.network import HybridNet
from hybridnet.model.temporal import STM
from hybridnet.spiking import SpikingGraph
from hybridnet.trace import Trace
from hybridnet.training.synops import spikes_by_place, synaptic_operations
from hybridnet.video import Clip
from simulators.events import event_counter

FORMS = ("float", "quantised", "bundle")
Tell = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Outcome:
    """One form on one video.

    logits       float32 (classes,), the mean over the video's clips
    energy       joules; None without a bundle, on whose operations it is counted
    synops       synaptic operations; None where nothing spikes
    spike_rate   spikes per neuron and step; None likewise
    """

    logits: np.ndarray
    energy: float | None
    synops: float | None
    spike_rate: float | None


def forms_of(model: HybridNet, deployed: bool) -> tuple[str, ...]:
    """The forms that a model has, of FORMS and in their order: without STMs there is nothing to quantise."""
    return FORMS if deployed else FORMS[:2] if streams(model) else FORMS[:1]


def look_with_bundle(
    checkpoint: Checkpoint, runtime: Runtime, regime: Target, video: Path, tell: Tell
) -> dict[str, Outcome]:
    """Outcomes of all forms, by form, the clips decoded once; raises what `use_clips` raises."""

    def run(clips: Iterator[Clip]) -> dict[str, Outcome]:
        tallies = {form: Tally(runtime.bundle) for form in FORMS}
        logits: dict[str, list[np.ndarray]] = {form: [] for form in FORMS}
        with runtime.simulator() as simulate:
            for clip in clips:
                traces = simulate(clip)
                found = {"bundle": (runtime.classify(clip, runtime.cross(traces)), traces)}
                found |= {form: _run_parts(form, checkpoint, runtime, clip) for form in FORMS if form != "bundle"}
                for form, (of_clip, traces) in found.items():
                    logits[form].append(of_clip)
                    tallies[form].add(traces)
        return {form: _priced(logits[form], tallies[form].result(), regime) for form in FORMS}

    found, _ = use_clips(video, runtime.bundle.manifest.preprocessing, run, tell)
    return found


def look_without(checkpoint: Checkpoint, video: Path, tell: Tell) -> dict[str, Outcome]:
    """Outcomes of the forms of a model that is not deployed, the whole of it in torch; raises as `look_with_bundle`."""
    model = checkpoint.model

    def run(clips: Iterator[Clip]) -> dict[str, Outcome]:
        sums = {form: _Sum() for form in forms_of(model, deployed=False)}
        for clip in clips:
            inputs = [_batch_of_one(x) for x in (clip.iframe, clip.motion, clip.residual)]
            for form, total in sums.items():
                with torch.no_grad():
                    logits, spikes = model.run_real(*inputs) if form == "float" else model.run(*inputs)
                total.add(model, logits, spikes)
        return {form: total.result() for form, total in sums.items()}

    found, _ = use_clips(video, checkpoint.preprocessing, run, tell)
    return found


def _priced(logits: Sequence[np.ndarray], work: VideoWork, regime: Target) -> Outcome:
    synops = sum(count.count for count in work.counts if count.operation == "synaptic_operation")
    energy = estimate_energy(work.counts, regime).total
    return Outcome(np.mean(logits, axis=0), energy, synops, work.spike_rate)


@torch.no_grad()
def _run_parts(form: str, checkpoint: Checkpoint, runtime: Runtime, clip: Clip) -> tuple[np.ndarray, dict[str, Trace]]:
    """Logits float32 (classes,) of one clip from torch, and the traces of its streams."""
    inputs, traces = [], {}
    if checkpoint.model.config.reads_iframe:
        inputs.append(_batch_of_one(clip.iframe))
    for stream, stm in streams(checkpoint.model).items():
        x = getattr(clip, stream)
        potential, spikes = _run_stm(form, stm, _batch_of_one(x))
        inputs.append(potential)
        traces[stream] = _trace(runtime.bundle.graphs[stream], x, [layer[:, 0].numpy() for layer in spikes])
    return checkpoint.model.conventional(*inputs)[0].numpy(), traces


def _batch_of_one(x: np.ndarray) -> Tensor:
    return torch.from_numpy(x.astype(np.float32))[None]


def _run_stm(form: str, stm: STM, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    return stm.run_real(x) if form == "float" else stm.run(x)


def _trace(graph: SpikingGraph, x: np.ndarray, spikes: Sequence[np.ndarray]) -> Trace:
    """What a simulator would have counted: x (T,C,H,W), and the spikes (T,C,h,w) of every spiking layer."""
    layers = list(graph.neuron_layers())
    events, counts, updates = {}, {}, {}
    for n, (layer, source, shape, _) in enumerate(layers):
        count = event_counter(layer, source, shape)
        events[layer.name] = np.array([count(frame) for frame in (spikes[n - 1] if n else x)])
        sent = spikes[n].reshape(len(x), -1).sum(axis=1) if n < len(spikes) else np.zeros(len(x))
        counts[layer.name] = sent.astype(np.int64)
        updates[layer.name] = len(x) * int(np.prod(shape))
    nothing = np.empty(0, np.int32)
    inputs = np.count_nonzero(x.reshape(len(x), -1), axis=1)
    return Trace("torch", nothing, {}, {}, counts, events, updates, {}, inputs)


class _Sum:
    """Adds up what torch says of a video's clips, one after the other."""

    def __init__(self) -> None:
        self._logits: list[np.ndarray] = []
        self._synops = self._fired = 0.0
        self._places = 0

    def add(self, model: HybridNet, logits: Tensor, spikes: dict[str, list[Tensor]]) -> None:
        """A clip's logits (1,classes), and by stream the spikes (T,1,C,h,w) of every spiking layer."""
        self._logits.append(logits[0].numpy())
        for stream, stm in streams(model).items():
            by_place = spikes_by_place(spikes[stream])
            self._synops += float(synaptic_operations(stm, by_place))
            self._fired += sum(float(layer.sum()) for layer in by_place)
            self._places += sum(map(Tensor.numel, spikes[stream]))

    def result(self) -> Outcome:
        spiking = self._places > 0
        rate = self._fired / self._places if spiking else None
        return Outcome(np.mean(self._logits, axis=0), None, self._synops if spiking else None, rate)
