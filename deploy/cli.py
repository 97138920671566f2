"""The command line.

Exit codes: 0 done, 1 a check or an input failed (one line on stderr), 2 wrong usage, 130 stopped by Ctrl-C. With --json
stdout has one object: the results, failed inputs among them with their `error`, or `error` alone where there are none.
"""

import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.bundle import read_bundle
from deploy.cli_inspect import inspect, show_bundle, targets
from deploy.console import complain, print_json, progress, show
from deploy.doctor import examine, extra
from deploy.interrupts import raise_lost_interrupts
from deploy.options import Backend, BundleDir, CheckpointFile, Json, Videos
from deploy.pictures.figures import figure
from deploy.recording import Kind
from deploy.runtime import REGIME, Prediction, open_bundle
from deploy.verify import verify_bundle
from deploy.views import results
from deploy.views.energy import price_videos
from deploy.views.mocap import RENDERED_MOCAP, TEST, TRAIN, make_mocap
from deploy.views.paper import show_paper
from deploy.views.predict import predict_videos
from deploy.views.prepare import prepare_videos
from deploy.views.report import report
from deploy.views.simulate import choose_watch, simulate_video
from hardware import load_target
from hybridnet import __version__
from hybridnet.errors import HybridnetError, PartialError, Stopped, VideoError
from hybridnet.processes import usable_cores
from hybridnet.video import Recipe
from hybridnet.video.transcode import LIMITS

STOPPED = 130  # exit code

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
app.add_typer(figure, name="figure")


def main() -> None:
    """Entry point: an error a user can act on becomes one line, with --json an object too, and an exit code."""
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files may hold what it cannot encode
    raise_lost_interrupts()
    try:
        _run_app()
    except HybridnetError as error:
        complain(error)
        if "--json" in sys.argv[1:] and not isinstance(error, PartialError):
            print_json({"error": str(error)})
        sys.exit(STOPPED if isinstance(error, Stopped) else 1)


def _run_app() -> None:
    try:
        app()
    except SystemExit as left:
        if left.code == STOPPED:  # what typer makes of Ctrl-C, without a word
            raise Stopped("stopped; a file or folder that was not finished is not there") from None
        raise


@app.callback(invoke_without_command=True)
def version(print_it: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False) -> None:
    """Deploy hybrid spiking/conventional networks: export, simulate, energy, run."""
    if print_it:
        show(__version__)
        raise typer.Exit()


@app.command()
def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A TOML file; examples/train_tiny.toml shows it.")],
    init: Annotated[
        Path | None, typer.Option(metavar="CHECKPOINT", help="Start from the tensors of it that fit.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train the model, or go on where a killed run of the same config was."""
    with extra("train"):
        from deploy.views.train import train_from
    train_from(config, init, as_json)


@app.command()
def evaluate(
    checkpoint: CheckpointFile,
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A training's TOML file, or a folder of class folders.")],
    split: Annotated[str | None, typer.Option(help="Left out: the config's test split, or test, val or all.")] = None,
    bundle: Annotated[Path | None, typer.Option(metavar="DIR", help="Left out: one is exported meanwhile.")] = None,
    target: Annotated[str, typer.Option(help="Price list: of `hybridnet targets`, or a TOML file.")] = REGIME,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="DIR", help="Keep confusion matrices.")] = None,
    as_json: Json = False,
) -> None:
    """Accuracy, confusion, energy and spikes of the float model, the quantised one and the bundle, side by side."""
    with extra("train"):
        from deploy.views.evaluate import evaluate_on
    evaluate_on(checkpoint, data, split, bundle, target, out, as_json)


@app.command()
def export(
    checkpoint: CheckpointFile,
    folder: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="The bundle to write.")],
    target: Annotated[
        str, typer.Option(help="Chip to check against: of `hybridnet targets`, or a TOML file.")
    ] = "loihi2",
    no_fit_check: Annotated[
        bool, typer.Option("--no-fit-check", help="Export layers that do not fit the chip's cores, too.")
    ] = False,
    also: Annotated[
        list[str] | None, typer.Option(metavar="FORMAT", help="Write the streams in it as well: sanafe (small models).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Split a checkpoint: its spiking streams as .net files, the rest as ONNX, verified."""
    with extra("export"):
        from deploy.export import export_bundle
    with progress() as bar:
        task = bar.add_task("export", total=None)
        export_bundle(
            checkpoint,
            folder,
            target=target,
            fit_check=not no_fit_check,
            also=also or (),
            progress=lambda stage: bar.update(task, description=stage),
        )
    bundle = read_bundle(folder)
    if as_json:
        files = dict(bundle.manifest.files)
        print_json({"bundle": str(folder), "target": bundle.manifest.target, "files": files})
    else:
        show_bundle(bundle)
        megabytes = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
        show(f"wrote {folder}: {megabytes:.1f} MB, target {bundle.manifest.target}, golden arrays replayed")


@app.command()
def verify(folder: BundleDir, as_json: Json = False) -> None:
    """Check hashes and replay the golden arrays on every installed backend; exit 1 on any difference."""
    checks = []
    with progress() as bar:
        task = bar.add_task("verifying", total=None)
        for check in verify_bundle(folder):
            bar.update(task, description=f"verified {check.name}")
            checks.append(check)
            if not as_json:
                show(f"{'ok' if check.passed else 'FAILED'} {check.name}: {check.detail}")
    failed = [check.name for check in checks if not check.passed]
    if as_json:
        print_json({"bundle": str(folder), "passed": not failed, "checks": [vars(check) for check in checks]})
    if failed:
        raise PartialError(f"{folder}: verification failed ({', '.join(failed)}); export the model again")


@app.command()
def simulate(
    folder: BundleDir,
    video: Annotated[Path, typer.Argument(metavar="VIDEO")],
    backend: Backend = "integer",
    trace: Annotated[Path | None, typer.Option(metavar="FILE.npz", help="Keep what is recorded of every clip.")] = None,
    record: Annotated[
        list[Kind] | None,
        typer.Option(
            metavar="KIND",
            help="Record spikes, v, events or potential; may be repeated. Left out: all with --trace, none without.",
        ),
    ] = None,
    png: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw spike rasters, rates, events and potentials of one clip.")
    ] = None,
    clip: Annotated[int | None, typer.Option(min=0, help="Clip to draw, from 0. Left out: the first.")] = None,
    as_json: Json = False,
) -> None:
    """Run only the spiking partition over a video, and say which layers are dead, always on or saturated.

    What --record spikes and --record v keep also tells of single neurons, and of the room under the thresholds.

    A trace is an .npz for numpy.load; its arrays, of T steps, are CLIP/gop and

    potential: CLIP/STREAM/potential int32 (C,H,W), the readout after the last step; CLIP/STREAM/scale, its unit

    spikes: CLIP/STREAM/LAYER/spikes bool (T,C,H,W)

    v: CLIP/STREAM/LAYER/v int32 (T,C,H,W), potentials after reset; CLIP/STREAM/LAYER/threshold, in their unit

    events: CLIP/STREAM/LAYER/events, /spike_counts and /overflow_counts int64 (T,), per step
    """
    simulate_video(folder, video, backend, choose_watch(record or [], trace, png, clip), as_json)


@app.command()
def energy(
    folder: BundleDir,
    videos: Videos,
    target: Annotated[str, typer.Option(help="Price list: of `hybridnet targets`, or a TOML file.")] = REGIME,
    table: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write a row per video.")] = None,
    as_json: Json = False,
) -> None:
    """Count what every video costs and price it, beside its STMs as dense convolutions and as ConvLSTMs.

    A CSV has a row per video: joules by part and per triplet, baselines, break-even spike rate, NeuroBench's counts.
    """
    price_videos(folder, videos, target, table, as_json)


@app.command()
def run(folder: BundleDir, videos: Videos, backend: Backend = "integer", as_json: Json = False) -> None:
    """Hybrid inference end to end: label, scores, energy and time of every video."""
    runtime = open_bundle(folder, backend=backend)
    single = len(videos) == 1 and not videos[0].is_dir()

    def tell(video: Path, prediction: Prediction) -> None:
        show(f"{video}: {results.prediction_line(prediction)}")
        if single:
            show(results.prediction_table(prediction), results.timing_line(prediction))

    predict_videos(runtime, videos, load_target(REGIME), tell, (lambda _, found: found.to_dict()) if as_json else None)
    if runtime.bundle.manifest.training is None and not as_json:
        show("the weights of this bundle are untrained, so its predictions mean nothing")


def _recipe_option(name: str, text: str) -> Any:
    low, high = LIMITS[name]
    return typer.Option(min=low, max=high, help=text)


@app.command()
def prepare(
    sources: Annotated[
        list[Path], typer.Argument(metavar="SRC...", help="Videos or folders of them; or rendered-mocap.")
    ],
    cache: Annotated[Path, typer.Option("-o", "--out", metavar="CACHE", help="The folder to fill, or to go on with.")],
    width: Annotated[int, _recipe_option("width", "Pixels.")] = Recipe.width,
    height: Annotated[int, _recipe_option("height", "Pixels; the aspect is not kept.")] = Recipe.height,
    gop: Annotated[int, _recipe_option("gop", "Frames of a GOP.")] = Recipe.gop,
    quality: Annotated[int, _recipe_option("quality", "MPEG-4's quantiser, 1 is best.")] = Recipe.quality,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; one a core if left out.")] = None,
    train: Annotated[int | None, typer.Option(min=1, help=f"Of rendered-mocap: clips a class, {TRAIN}.")] = None,
    test: Annotated[int | None, typer.Option(min=1, help=f"Of rendered-mocap: clips a class, {TEST}.")] = None,
    as_json: Json = False,
) -> None:
    """Transcode videos of any kind into a cache of MPEG-4 with regular GOPs; can be stopped and gone on with.

    The source `rendered-mocap` is a data set that is made, not read: 15 classes of captured motion, rendered.
    """
    recipe, workers = Recipe(width, height, gop, quality), workers or usable_cores()
    if sources == [RENDERED_MOCAP] and not RENDERED_MOCAP.exists():
        make_mocap(cache, train, test, recipe, workers, as_json)
    elif train or test:
        raise VideoError("--train and --test: belong to rendered-mocap, not to videos; leave them out")
    else:
        prepare_videos(sources, cache, recipe, workers, as_json)


app.command()(inspect)
app.command()(targets)


@app.command()
def paper(
    png: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw accuracy against energy.")] = None,
    as_json: Json = False,
) -> None:
    """The paper's tables: published, measured here, its joules counted again, and where it contradicts itself."""
    show_paper(png, as_json)


app.command()(report)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say which parts of the toolkit can run here, and how to install the others."""
    findings = examine()
    if as_json:
        print_json({"findings": [vars(finding) for finding in findings]})
    else:
        show(results.doctor_table(findings))
