"""`hybridnet simulate`: run the spiking partition over a video, keep and draw what is asked for, say how it is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.console import complain, counted, print_json, progress, show
from deploy.health import Checkup, LayerHealth, find_problems
from deploy.pictures.sheet import require_matplotlib
from deploy.pictures.trace import draw_traces
from deploy.recording import SIMULATED, Kind, record_traces
from deploy.runtime import Runtime, open_bundle, use_clips
from deploy.views import results
from deploy.views.health import health_dict, health_lines, health_table
from deploy.work import Tally, VideoWork
from hybridnet.errors import OutputError, VideoError
from hybridnet.files import keep_apart, landing
from hybridnet.trace import Trace
from hybridnet.video import Clip


@dataclass(frozen=True)
class Watch:
    """What to keep of a run.

    kinds   recorded in every clip
    trace   .npz to write them to, or None
    png     picture to draw of one clip, or None; what it takes is recorded in that clip alone
    clip    number of the clip to draw, from 0
    """

    kinds: frozenset[Kind]
    trace: Path | None = None
    png: Path | None = None
    clip: int = 0


def choose_watch(record: list[Kind], trace: Path | None, png: Path | None, clip: int | None) -> Watch:
    """What the options ask for: all kinds if there is a trace and none is chosen; OutputError if they do not fit."""
    if clip is not None and png is None:
        raise OutputError(f"--clip {clip}: chooses what --png draws; give --png FILE too")
    alone = sorted(set(record) - set(SIMULATED))
    if alone and trace is None:
        raise OutputError(f"--record {alone[0]}: only goes into a file; give --trace FILE.npz too")
    if trace and png and landing(trace).resolve() == landing(png).resolve():
        raise OutputError(f"{png}: is given for --trace and for --png; give two paths")
    return Watch(frozenset(record or (Kind if trace else ())), trace, png, clip or 0)


def simulate_video(folder: Path, video: Path, backend: str, watch: Watch, as_json: bool) -> None:
    """Simulate and show counts, spike rates and health; files appear whole or not at all.

    Raises BackendError, BundleError and VideoError as `open_bundle` and `use_clips`, VideoError for a clip that is not
    there, OutputError for a file that cannot be written or would replace an input.
    """
    for target in filter(None, (watch.trace, watch.png)):
        keep_apart(target, video, folder)
    if watch.png:
        require_matplotlib()
    runtime = open_bundle(folder, backend=backend)
    with progress() as bar:
        task = bar.add_task(f"simulating {video.name} on {backend}", total=None)

        def told(clips: Iterator[Clip]) -> Iterator[Clip]:
            for n, clip in enumerate(clips):
                bar.update(task, description=f"simulating clip {n + 1} of {video.name} on {backend}")
                yield clip

        (work, health), transcoded = use_clips(
            video, runtime.bundle.manifest.preprocessing,
            lambda clips: _watch_clips(runtime, video, told(clips), watch), complain,
        )  # fmt: skip
    spiking = [count for count in work.counts if count.part in runtime.bundle.graphs]
    findings = find_problems(health)
    if as_json:
        facts = {"video": str(video), "backend": backend, "transcoded": transcoded}
        files = {"trace": watch.trace, "png": watch.png}
        written = {name: str(path) for name, path in files.items() if path}
        print_json({**facts, **results.work_dict(work, spiking), **health_dict(health, findings), **written})
        return
    clips = counted(work.clips, "clip")
    show(results.count_table(spiking, f"{video.name}: {clips} on {backend}"), results.rate_line(work))
    show(health_table(health), *health_lines(health, findings))
    if watch.trace:
        show(f"wrote {watch.trace}: {', '.join(kind for kind in Kind if kind in watch.kinds)} of {clips}")
    if watch.png:
        show(f"wrote {watch.png}: clip {watch.clip}")


def _watch_clips(
    runtime: Runtime, video: Path, clips: Iterator[Clip], watch: Watch
) -> tuple[VideoWork, tuple[LayerHealth, ...]]:
    """Simulate clip after clip, holding the traces of one, and of the one to draw; a run that fails writes no file."""
    graphs = runtime.bundle.graphs
    tally, checkup = Tally(runtime.bundle), Checkup(graphs)
    drawn: tuple[int, Mapping[str, Trace]] | None = None
    most = [kind for kind in SIMULATED if watch.png or kind in watch.kinds]
    with runtime.simulator(most) as simulate, record_traces(watch.trace, graphs, watch.kinds) as keep:
        for n, clip in enumerate(clips):
            draws = watch.png is not None and n == watch.clip
            traces = simulate(clip, [kind for kind in SIMULATED if draws or kind in watch.kinds])
            tally.add(traces)
            checkup.add(traces)
            keep(n, clip, traces)
            if draws:
                drawn = clip.gop, traces
        work = tally.result()
        if watch.png:
            if drawn is None:
                last = f"clips 0 to {work.clips - 1}" if work.clips > 1 else "clip 0 only"
                raise VideoError(f"{video}: has no clip {watch.clip}, it has {last}; choose another --clip")
            what = f"clip {watch.clip}, of GOP {drawn[0]}, on {runtime.backend}; step t is the response to P-frame t"
            draw_traces(watch.png, video.name, what, graphs, drawn[1])
    return work, checkup.result()
