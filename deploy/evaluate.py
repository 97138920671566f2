"""A checkpoint on labelled videos in each of its forms (`deploy.forms`), on the very same clips, with what each costs.

Between quantised and bundle every spike and potential is the same; only the conventional side's float32 sums may
differ in their last bits. What quantising costs is the difference between float and quantised.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from deploy.bundle import Bundle, Golden
from deploy.forms import Outcome, look_with_bundle, look_without
from deploy.golden import conventional_logits
from deploy.manifest import IFRAME
from deploy.partition import streams
from deploy.quantise import spiking_graph
from deploy.runtime import Runtime
from deploy.verify import LOGIT_TOLERANCE, relative_error
from hardware import Target
from hybridnet.errors import BundleError, VideoError
from hybridnet.model.checkpoint import Checkpoint

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
    energy       joules a video, mean; None, as the next two, where `Outcome` has None
    synops       synaptic operations a video, mean
    spike_rate   spikes per neuron and step, mean over videos
    """

    logits: np.ndarray
    labels: np.ndarray
    energy: float | None
    synops: float | None
    spike_rate: float | None

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
    runtime: Runtime | None,
    videos: Sequence[Labelled],
    regime: Target,
    *,
    tell: Callable[[str], None] = lambda _: None,
    progress: Callable[[int, str], None] = lambda *_: None,
) -> tuple[dict[str, Score], list[VideoError]]:
    """Scores by form, over the videos that can be read, and why the others cannot be.

    runtime    the model's bundle, None if it has none
    tell       hears of videos that were transcoded or are damaged
    progress   hears how many are done, and which comes next

    A video is decoded once, its clips one at a time. Raises BundleError if the bundle is of another model, and
    VideoError if no video can be read.
    """
    if runtime:
        _check_bundle(checkpoint, runtime)
        look = partial(look_with_bundle, checkpoint, runtime, regime)
    else:
        look = partial(look_without, checkpoint)
    rows: list[tuple[int, dict[str, Outcome]]] = []
    errors = []
    for done, item in enumerate(videos):
        progress(done, item.video.name)
        try:
            rows.append((item.label, look(item.video, tell)))
        except VideoError as error:
            errors.append(error)
    if not rows:
        raise errors[0]
    labels = np.array([label for label, _ in rows])
    return {form: _score(labels, [outcomes[form] for _, outcomes in rows]) for form in rows[0][1]}, errors


def _score(labels: np.ndarray, outcomes: Sequence[Outcome]) -> Score:
    return Score(
        logits=np.stack([outcome.logits for outcome in outcomes]),
        labels=labels,
        energy=_mean([outcome.energy for outcome in outcomes]),
        synops=_mean([outcome.synops for outcome in outcomes]),
        spike_rate=_mean([outcome.spike_rate for outcome in outcomes]),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _check_bundle(checkpoint: Checkpoint, runtime: Runtime) -> None:
    """BundleError unless the bundle is what an export of the checkpoint would be, for whichever target."""
    for part, same in (
        ("labels, preprocessing or modalities differ", _same_facts),
        ("the spiking integers differ", _same_graphs),
        ("the conventional part gives other logits", _same_logits),
    ):
        if not same(checkpoint, runtime.bundle):
            raise BundleError(
                f"{runtime.bundle.path}: is of another model than the checkpoint ({part}); export the checkpoint again"
            )


def _same_facts(checkpoint: Checkpoint, bundle: Bundle) -> bool:
    manifest, config = bundle.manifest, checkpoint.model.config
    wanted = (checkpoint.labels, checkpoint.preprocessing, config.reads_iframe, config.streams)
    return (manifest.labels, manifest.preprocessing, manifest.iframe, tuple(bundle.graphs)) == wanted


def _same_graphs(checkpoint: Checkpoint, bundle: Bundle) -> bool:
    return all(
        graph == spiking_graph(stm, graph.input_shape, graph.steps, graded=graph.layers[-1].graded)
        for graph, stm in zip(bundle.graphs.values(), streams(checkpoint.model).values(), strict=True)
    )


def _same_logits(checkpoint: Checkpoint, bundle: Bundle) -> bool:
    """On the golden arrays, which the bundle's model made at export."""
    golden = Golden(bundle.golden_path)
    names = [IFRAME] * bundle.manifest.iframe + [f"{port.stream}/port" for port in bundle.manifest.ports]
    found = conventional_logits(checkpoint.model, [golden[name] for name in names])
    return relative_error(found, golden["logits"]) <= LOGIT_TOLERANCE
