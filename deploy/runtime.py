"""Hybrid inference: video in, prediction with its energy out. Runs without torch."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnxruntime

from deploy.ahead import work_ahead
from deploy.bundle import Bundle, read_bundle
from deploy.manifest import IFRAME
from deploy.session import open_conventional
from deploy.transcoded import transcoded_copy, transcoding_recipe
from deploy.work import Tally, VideoWork
from hardware import EnergyReport, Target, estimate_energy
from hybridnet.errors import TranscodeNeeded
from hybridnet.processes import usable_cores
from hybridnet.trace import Trace
from hybridnet.video import Clip, Preprocessing, sample_clips
from hybridnet.video.ending import is_cut
from hybridnet.video.probe import count_dropped
from simulators import open_simulator, require_backend

REGIME = "paper-45nm"

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Prediction:
    """What one video is, and what it cost.

    labels       class names, best first
    scores       float32 (classes,): softmax of the mean logits, in the order of `labels`
    logits       float32 (classes,): mean over the clips, in the bundle's own order of classes
    clips        triplets that were averaged: the bundle's number, or every full GOP of a shorter video
    energy       joules of the whole video under the regime asked for
    work         the counts behind it
    timings      seconds per stage: "ingest" (transcoding included), "spiking" (what is waited for it, since it runs
                 beside the others), "bridge", "conventional", "total"
    transcoded   whether the clips are those of a transcoded copy, see `use_clips`
    """

    labels: tuple[str, ...]
    scores: np.ndarray
    logits: np.ndarray
    clips: int
    energy: EnergyReport
    work: VideoWork
    timings: Mapping[str, float]
    transcoded: bool

    def to_dict(self) -> dict:
        """JSON-ready; scores by label, best first."""
        return {
            "label": self.labels[0],
            "scores": {label: float(score) for label, score in zip(self.labels, self.scores, strict=True)},
            "clips": self.clips,
            "transcoded": self.transcoded,
            "energy": {**self.energy.to_dict(), **self.work.neurobench.to_dict()},
            "spike_rate": self.work.spike_rate,
            "timings": dict(self.timings),
        }


class Runtime:
    """An open bundle, ready to predict.

    bundle   the folder it came from
    backend  simulator of the spiking partition, see `simulators.simulate`: the same bits on each
    """

    def __init__(self, bundle: Bundle, backend: str = "integer") -> None:
        self.bundle = bundle
        self.backend = backend

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        return open_conventional(self.bundle)

    def predict(
        self, video: str | Path, *, regime: Target | str = REGIME, tell: Callable[[str], None] | None = None
    ) -> Prediction:
        """Predict one video file: sample clips, run both partitions on each, average the logits.

        A video that needs a transcode gets one in memory, as in `use_clips`; `tell` is called with the line that says
        so, and with one that names the damaged clips. Raises VideoError for a file that cannot be used, TargetError
        for an unknown regime. Clips are simulated in parallel, one for each processor, while others are read and
        classified; no more are held than one above that, so memory does not grow with the video.
        """
        watch = _Stopwatch()

        def run(clips: Iterator[Clip]) -> tuple[np.ndarray, VideoWork]:
            logits, tally = [], Tally(self.bundle)
            with (
                self.simulator(("counts",) if self.backend == "integer" else ()) as simulate,
                closing(self._simulate_each(simulate, watch.each("ingest", clips))) as simulated,
            ):
                for clip, traces in watch.each("spiking", simulated):
                    with watch("bridge"):
                        potentials = self.cross(traces)
                    with watch("conventional"):
                        logits.append(self.classify(clip, potentials))
                    tally.add(traces)
            return np.asarray(logits).mean(axis=0), tally.result()

        (mean, work), transcoded = use_clips(video, self.bundle.manifest.preprocessing, run, tell)
        order = np.argsort(-mean, kind="stable")
        return Prediction(
            labels=tuple(self.bundle.manifest.labels[i] for i in order),
            scores=_softmax(mean)[order],
            logits=mean,
            clips=work.clips,
            energy=estimate_energy(work.counts, regime),
            work=work,
            timings=watch.seconds(),
            transcoded=transcoded,
        )

    @contextmanager
    def simulator(self, record: Sequence[str] = ()) -> Iterator[Callable[..., dict[str, Trace]]]:
        """A function that runs every spiking stream over one clip after the other; traces by stream.

        It may be told to record less of a clip than `record`, as in `simulators.open_simulator`. Lava's networks, one a
        stream, start with the first clip and end with the block.
        """
        graphs, plays = self.bundle.graphs, dict[str, Callable[..., Trace]]()
        with ExitStack() as streams:

            def simulate(clip: Clip, kinds: Sequence[str] = record) -> dict[str, Trace]:
                if not plays:
                    start()

                def play(stream: str) -> Trace:
                    return plays[stream](getattr(clip, stream), kinds)

                if self.backend != "integer":  # Lava has processes of its own
                    return {stream: play(stream) for stream in graphs}
                with ThreadPoolExecutor(len(graphs)) as pool:  # the kernels release the GIL
                    return dict(zip(graphs, pool.map(play, graphs), strict=True))

            def start() -> None:
                for stream, graph in graphs.items():
                    plays[stream] = streams.enter_context(open_simulator(graph, self.backend, record))

            if self.backend == "integer":  # its clips may come from several threads
                start()
            yield simulate

    def _simulate_each(
        self, simulate: Callable[[Clip], dict[str, Trace]], clips: Iterator[Clip]
    ) -> Generator[tuple[Clip, dict[str, Trace]]]:
        """The clips in order, each with its traces."""
        if self.backend == "integer":
            yield from work_ahead(simulate, clips, usable_cores())
        else:  # Lava has processes of its own
            yield from ((clip, simulate(clip)) for clip in clips)

    def cross(self, traces: Mapping[str, Trace]) -> dict[str, np.ndarray]:
        """Carry the readouts' potentials over the bridge: float32 (C,H,W) in real units, by port name."""
        return {port.name: port.to_real(traces[port.stream].potential) for port in self.bundle.manifest.ports}

    def classify(self, clip: Clip, potentials: Mapping[str, np.ndarray]) -> np.ndarray:
        """Logits float32 (classes,) of one clip."""
        feed = {IFRAME: clip.iframe[None].astype(np.float32)} if self.bundle.manifest.iframe else {}
        feed |= {name: potential[None] for name, potential in potentials.items()}
        return self._session.run(["logits"], feed)[0][0]


def open_bundle(path: str | Path, *, backend: str = "integer") -> Runtime:
    """Open a bundle folder for prediction: `open_bundle(path).predict(video)`.

    Every file's hash is checked first. Raises BundleError for a folder that is no bundle or was altered,
    BackendError for an unknown backend or one that is not installed.
    """
    require_backend(backend)
    return Runtime(read_bundle(path), backend)


def use_clips(
    video: str | Path,
    preprocessing: Preprocessing,
    use: Callable[[Iterator[Clip]], Result],
    tell: Callable[[str], None] | None = None,
) -> tuple[Result, bool]:
    """What `use` makes of a video's clips, and whether they are those of a copy that was transcoded in memory.

    Where the video needs a transcode, be it found out in its middle, `use` starts over with all the clips of the copy,
    and what it made of the video's own is dropped. `tell`, if given, is then called with the line that says so, and of
    either with one that says what is damaged.

    Raises what `sample_clips` and `transcode` raise, and VideoError for a video shorter than a clip.
    """
    damaged: list[int] = []

    def noted(clip: Clip) -> Clip:
        damaged.extend([clip.gop] if clip.corrupt else [])
        return clip

    try:
        result = use(map(noted, sample_clips(video, preprocessing)))
        if tell and (damage := _describe_damage(video, damaged)):
            tell(f"{video}: damaged{damage}; used as far as it decodes")
        return result, False
    except TranscodeNeeded as error:
        cause = error

    def transcoded_clips() -> Iterator[Clip]:  # so that whoever times the clips times the transcode too
        with transcoded_copy(video, transcoding_recipe(preprocessing), cause, tell) as copy:
            yield from sample_clips(copy, preprocessing)

    return use(transcoded_clips()), True


def _describe_damage(video: str | Path, gops: Sequence[int]) -> str:
    """Such as " in GOP 1 (the file breaks off)" for a video whose GOPs of these indices are damaged; "" if none is."""
    dropped = count_dropped(video)
    causes = [f"{dropped:,} frame{'' if dropped == 1 else 's'} before the first key frame lost"] if dropped else []
    causes += ["the file breaks off"] if is_cut(video) else []
    where = f" in GOP {', '.join(map(str, gops))}" if gops else ""
    return where + (f" ({', '.join(causes)})" if causes else "")


class _Stopwatch:
    """Seconds per stage, summed over clips."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._seconds: dict[str, float] = {}
        self._within = 0.0  # seconds of the stages that ended within the present one, which are theirs

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        before, self._within = self._within, 0.0
        start = time.perf_counter()
        yield
        spent = time.perf_counter() - start
        self._seconds[stage] = self._seconds.get(stage, 0.0) + spent - self._within
        self._within = before + spent

    def each(self, stage: str, items: Iterator[Item]) -> Iterator[Item]:
        """Pass items through, charging the time to make each one to `stage`."""
        while True:
            with self(stage):
                item = next(items, None)
            if item is None:
                return
            yield item

    def seconds(self) -> dict[str, float]:
        return {**self._seconds, "total": time.perf_counter() - self._start}


def _softmax(logits: np.ndarray) -> np.ndarray:
    exp = np.exp(logits - logits.max())
    return exp / exp.sum()
