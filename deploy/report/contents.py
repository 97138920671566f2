"""What a report tells of one video, gathered: what the network saw, said, did and cost, and whether it is whole."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.bundle import Bundle
from deploy.decode_energy import measure_decode
from deploy.health import Checkup, Finding, find_problems
from deploy.ledger import Ledger, make_ledger, map_streams
from deploy.recording import SIMULATED
from deploy.runtime import REGIME, Prediction, Runtime, open_bundle, use_clips
from deploy.verify import Check, verify_bundle
from hardware import EnergyRow, list_targets, load_target
from hybridnet.trace import Trace
from hybridnet.video import Clip

VERIFIED_ON = ("integer",)  # Lava takes minutes for a large bundle; `hybridnet verify` replays on it too


@dataclass(frozen=True, eq=False)
class VideoReport:
    """All that a page tells of one bundle and one video.

    runtime     the open bundle
    video       name of the file, without its folders
    prediction  of the whole video
    ledgers     one per shipped target that has prices, the default first
    clips       as the network saw them, in the order of the video: a bundle's `triplets` at most
    traces      of the first clip by stream, spikes and potentials recorded
    findings    what is wrong with its layers
    checks      what was verified
    notes       what was said meanwhile, such as that the video was transcoded
    """

    runtime: Runtime
    video: str
    prediction: Prediction
    ledgers: tuple[Ledger, ...]
    clips: tuple[Clip, ...]
    traces: Mapping[str, Trace]
    findings: tuple[Finding, ...]
    checks: tuple[Check, ...]
    notes: tuple[str, ...]

    @property
    def verified(self) -> bool:
        return all(check.passed for check in self.checks)


def gather_report(folder: Path, video: Path, progress: Callable[[str], None]) -> VideoReport:
    """Run a bundle over a video, watch its first clip, price the whole under every regime, and verify the bundle.

    progress   is told what is being done. Raises BundleError and VideoError as `open_bundle` and `use_clips`.
    """
    runtime = open_bundle(folder)
    notes: list[str] = []
    progress(f"predicting {video.name}")
    prediction = runtime.predict(video, tell=notes.append)
    progress(f"watching {video.name}")
    (clips, traces), _ = use_clips(video, runtime.bundle.manifest.preprocessing, lambda found: _watch(runtime, found))
    decode = measure_decode(
        video.name, lambda: use_clips(video, runtime.bundle.manifest.preprocessing, lambda found: deque(found, 0))
    )
    progress(f"verifying {folder.name}")
    checks = tuple(verify_bundle(folder, backends=VERIFIED_ON))
    checkup = Checkup(runtime.bundle.graphs)
    checkup.add(traces)
    return VideoReport(
        runtime=runtime,
        video=video.name,
        prediction=prediction,
        ledgers=price(prediction, runtime.bundle, decode),
        clips=clips,
        traces=traces,
        findings=find_problems(checkup.result()),
        checks=checks,
        notes=tuple(note.removeprefix(f"{video}: ") for note in notes),
    )


def price(prediction: Prediction, bundle: Bundle, decode: EnergyRow | None = None) -> tuple[Ledger, ...]:
    """A video's ledger under every shipped regime, the default first; `decode` is a measured one's row."""
    names = sorted(list_targets(), key=lambda name: name != REGIME)
    targets = [target for target in map(load_target, names) if target.prices]
    return tuple(make_ledger(prediction.work, each, map_streams(bundle.graphs, each), decode) for each in targets)


def _watch(runtime: Runtime, clips: Iterator[Clip]) -> tuple[tuple[Clip, ...], Mapping[str, Trace]]:
    """All clips, and the traces of the first."""
    seen = tuple(clips)
    with runtime.simulator(SIMULATED) as simulate:
        return seen, simulate(seen[0])
