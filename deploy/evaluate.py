"""A checkpoint on labelled videos in three forms, on the very same clips, each with what it costs.

float       nothing of the STMs quantised or rounded: real weights, leaks, thresholds and potentials (`HybridNet.real`)
quantised   the model as it was trained: STMs in the chip's integers
bundle      as deployed: the integer engine or Lava, the bridge, ONNX Runtime

Between quantised and bundle every spike and potential is the same; only the conventional side's float32 sums may
differ in their last bits. What quantising costs is the difference between float and quantised.
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
from hybridnet.errors import BundleError, VideoError
from hybridnet.model.checkpoint import Checkpoint
from hybridnet.model.temporal import STM
from hybridnet.spiking import SpikingGraph
from hybridnet.trace import Trace
from hybridnet.video import Clip
from simulators.events import event_counter

FORMS = ("float", "quantised", "bundle")
TOP = 5


@dataclass(frozen=True)
class Labelled:
    """A video, and the index of its label among the checkpoint's."""

    video: Path
    label: int


@dataclass(frozen=True, eq=False)
class Score:
    """One form on n videos.

    logits       float32 (n,classes), the mean over each video's clips
    labels       int64 (n,), the true ones
    energy       joules a video, mean
    synops       synaptic operations a video, mean
    spike_rate   spikes per neuron and step, mean over videos
    """

    logits: np.ndarray
    labels: np.ndarray
    energy: float
    synops: float
    spike_rate: float

    @property
    def best(self) -> np.ndarray:
        """The predicted labels, int64 (n,)."""
        return self.logits.argmax(axis=1)

    def top(self, k: int) -> float:
        """Share of videos whose label is among the k best."""
        order = np.argsort(-self.logits, axis=1, kind="stable")[:, :k]
        return float((order == self.labels[:, None]).any(axis=1).mean())

    @property
    def confusion(self) -> np.ndarray:
        """How many videos of each true label (row) were given each label (column), int64 (classes,classes)."""
        counts = np.zeros((self.logits.shape[1],) * 2, np.int64)
        np.add.at(counts, (self.labels, self.best), 1)
        return counts

    @property
    def per_class(self) -> np.ndarray:
        """Share of each label's videos that were given it, float64 (classes,); NaN for a label without videos."""
        counts = self.confusion
        total = counts.sum(axis=1)
        return np.divide(np.diag(counts), total, out=np.full(len(counts), np.nan), where=total > 0)


def evaluate(
    checkpoint: Checkpoint,
    runtime: Runtime,
    videos: Sequence[Labelled],
    regime: Target,
    *,
    tell: Callable[[str], None] = lambda _: None,
    progress: Callable[[int, str], None] = lambda *_: None,
) -> tuple[dict[str, Score], list[VideoError]]:
    """Scores by form, over the videos that can be read, and why the others cannot be.

    tell       hears of videos that were transcoded or are damaged
    progress   hears how many are done, and which comes next

    A video is decoded once, its clips one at a time. Raises BundleError if the bundle is of another model, and
    VideoError if no video can be read.
    """
    _check_bundle(checkpoint, runtime)
    rows: list[tuple[int, dict[str, tuple[np.ndarray, VideoWork]]]] = []
    errors = []
    for done, item in enumerate(videos):
        progress(done, item.video.name)
        try:
            rows.append((item.label, _look(checkpoint, runtime, item.video, tell)))
        except VideoError as error:
            errors.append(error)
    if not rows:
        raise errors[0]
    labels = np.array([label for label, _ in rows])
    return {form: _score(labels, [forms[form] for _, forms in rows], regime) for form in FORMS}, errors


def _look(
    checkpoint: Checkpoint, runtime: Runtime, video: Path, tell: Callable[[str], None]
) -> dict[str, tuple[np.ndarray, VideoWork]]:
    """The mean logits and the work of one video, by form."""

    def run(clips: Iterator[Clip]) -> dict[str, tuple[np.ndarray, VideoWork]]:
        tallies = {form: Tally(runtime.bundle) for form in FORMS}
        logits: dict[str, list[np.ndarray]] = {form: [] for form in FORMS}
        with runtime.simulator() as simulate:
            for clip in clips:
                traces = simulate(clip)
                found = {"bundle": (runtime.classify(clip, runtime.cross(traces)), traces)}
                found |= {form: _run_model(form, checkpoint, runtime, clip) for form in FORMS if form != "bundle"}
                for form, (of_clip, traces) in found.items():
                    logits[form].append(of_clip)
                    tallies[form].add(traces)
        return {form: (np.mean(logits[form], axis=0), tallies[form].result()) for form in FORMS}

    found, _ = use_clips(video, runtime.bundle.manifest.preprocessing, run, tell)
    return found


@torch.no_grad()
def _run_model(form: str, checkpoint: Checkpoint, runtime: Runtime, clip: Clip) -> tuple[np.ndarray, dict[str, Trace]]:
    """Logits float32 (classes,) of one clip from torch, and the traces of its streams."""
    inputs, traces = [], {}
    if checkpoint.model.config.reads_iframe:
        inputs.append(torch.from_numpy(clip.iframe.astype(np.float32))[None])
    for stream, stm in streams(checkpoint.model).items():
        x = getattr(clip, stream)
        potential, spikes = _run_stm(form, stm, torch.from_numpy(x.astype(np.float32))[None])
        inputs.append(potential)
        traces[stream] = _trace(runtime.bundle.graphs[stream], x, [layer[:, 0].numpy() for layer in spikes])
    return checkpoint.model.conventional(*inputs)[0].numpy(), traces


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
    return Trace("torch", nothing, {}, {}, counts, events, updates, {})


def _score(labels: np.ndarray, videos: Sequence[tuple[np.ndarray, VideoWork]], regime: Target) -> Score:
    works = [work for _, work in videos]
    synops = [sum(count.count for count in work.counts if count.operation == "synaptic_operation") for work in works]
    return Score(
        logits=np.stack([logits for logits, _ in videos]),
        labels=labels,
        energy=float(np.mean([estimate_energy(work.counts, regime).total for work in works])),
        synops=float(np.mean(synops)),
        spike_rate=float(np.mean([work.spike_rate for work in works])),
    )


def _check_bundle(checkpoint: Checkpoint, runtime: Runtime) -> None:
    manifest, config = runtime.bundle.manifest, checkpoint.model.config
    wanted = (checkpoint.labels, config.preprocessing(manifest.preprocessing.triplets), config.reads_iframe)
    found = (manifest.labels, manifest.preprocessing, manifest.iframe)
    if found != wanted or tuple(runtime.bundle.graphs) != config.streams:
        raise BundleError(
            f"{runtime.bundle.path}: is of another model than the checkpoint (labels, preprocessing or modalities "
            "differ); export the checkpoint again"
        )
