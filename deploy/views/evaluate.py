"""`hybridnet evaluate`: which videos, what it shows, and what it writes."""

import math
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn
from rich.table import Table

from deploy.console import complain, print_json, progress, show, some_of
from deploy.doctor import extra
from deploy.evaluate import TOP, Labelled, Score, evaluate
from deploy.partition import check_deployable
from deploy.pictures.confusion import draw_confusions, write_confusion
from deploy.runtime import Runtime, open_bundle
from deploy.views.results import joules, new_table
from hardware import Target, load_target
from hybridnet.errors import DatasetError, PartialError, TargetError
from hybridnet.files import disk_errors, keep_apart
from hybridnet.model.checkpoint import Checkpoint, load_checkpoint
from hybridnet.training.config import read_config
from hybridnet.training.data import items_of, read_data
from hybridnet.training.datasets import read_folder

TARGETS = {"zero": "loihi2", "subtract": "loihi2-custom"}  # that have neurons of each reset
FINER = {"message", "membrane_update_inactive"}  # prices of what is not counted here
USUAL_SPLITS = ("test", "val", "all")  # the first of these that a folder has


def evaluate_on(
    path: Path, data: Path, split: str | None, bundle: Path | None, target: str, out: Path | None, as_json: bool
) -> None:
    """Evaluate a checkpoint and show it; with `out` write confusion.png and CSV files there.

    A model without a bundle is evaluated without, and a line says why. A video that cannot be read is named on stderr
    and makes a PartialError at the end; raises what `evaluate` raises.
    """
    regime, checkpoint = load_target(target), load_checkpoint(path)
    name, videos = _find(data, split, checkpoint)
    if out:
        keep_apart(out, path, data)
        with disk_errors(out):
            out.mkdir(parents=True, exist_ok=True)
    with progress() as bar:
        bar.columns = (BarColumn(), MofNCompleteColumn(), *bar.columns)
        task = bar.add_task("exporting", total=None)
        with _opened(path, checkpoint, bundle) as (runtime, no_bundle):
            scores, errors = evaluate(
                checkpoint, runtime, videos, regime, tell=complain,
                progress=lambda done, video: bar.update(
                    task, completed=done, total=len(videos), description=f"evaluating {video}"
                ),
            )  # fmt: skip
    for error in errors:
        complain(error)
    facts = {"checkpoint": str(path), "data": name, "videos": len(videos) - len(errors), "regime": regime.name}
    if as_json:
        facts |= {"trained": checkpoint.training is not None, "no_bundle": no_bundle}
        facts |= {"failures": [str(error) for error in errors]}
        print_json({**facts, **{form: _dict(score, checkpoint, scores) for form, score in scores.items()}})
    else:
        _show(scores, checkpoint, f"{path.name} on {name}, {facts['videos']} videos", regime)
        if no_bundle:
            quantised = "" if "quantised" in scores else ", nor a quantised form"
            show(f"no bundle stands beside{quantised}, nor energy, which is counted on one: {no_bundle}")
    if out:
        _write(out, scores, checkpoint, f"{path.stem} on {name}")
        if not as_json:
            show(f"wrote {out}: confusion.png, confusion_FORM.csv")
    if errors:
        raise PartialError(some_of(len(errors), len(videos), "failed"))


@contextmanager
def _opened(path: Path, checkpoint: Checkpoint, bundle: Path | None) -> Iterator[tuple[Runtime | None, str | None]]:
    """(the bundle, or one that is exported for the time being; why there is none), one of them None.

    What is exported is right in its arithmetic, whether its layers fit the chip's cores or not.
    Raises TargetError if a bundle was given of a model that has none.
    """
    config = checkpoint.model.config
    if bundle:
        check_deployable(config)
        yield open_bundle(bundle), None
        return
    with extra("export"):
        from deploy.export import export_bundle
    with tempfile.TemporaryDirectory() as folder:
        runtime: Runtime | None = None
        why = None
        try:
            exported = export_bundle(path, Path(folder) / "bundle", target=TARGETS[config.reset], fit_check=False)
            runtime = open_bundle(exported)
        except TargetError as error:
            why = str(error)
        yield runtime, why


def _find(data: Path, split: str | None, checkpoint: Checkpoint) -> tuple[str, list[Labelled]]:
    """The data set's name and its videos: of a training's config, or of a folder of class folders."""
    if data.suffix == ".toml":
        config = read_config(data).data
        dataset, name, root = read_data(config, complain), config.name, Path(config.root)
        split = split or config.test
    else:
        dataset, name, root = read_folder(data), str(data), data
        found = {item.split for item in dataset.items}
        split = split or next((usual for usual in USUAL_SPLITS if usual in found), USUAL_SPLITS[0])
        if any(data.glob("testlist*.txt")):
            complain(f"{data}: its lists are not looked at, training clips are measured too; give the training's TOML")
    items = items_of(dataset, split, str(root))
    index = {label: n for n, label in enumerate(checkpoint.labels)}
    if strange := sorted({dataset.labels[item.label] for item in items} - index.keys()):
        raise DatasetError(
            f"{root}: not among the checkpoint's {len(index)} labels: {', '.join(strange)}; evaluate it on the classes "
            "it was trained on"
        )
    return f"{name} ({split})", [Labelled(root / item.video, index[dataset.labels[item.label]]) for item in items]


def _agreement(score: Score, other: Score) -> float:
    """Share of videos that two forms give the same label."""
    return float((score.best == other.best).mean())


def _show(scores: Mapping[str, Score], checkpoint: Checkpoint, title: str, regime: Target) -> None:
    shown = new_table(title, "", *scores)
    for column in shown.columns[1:]:
        column.justify = "right"
    priced = bool(regime.prices)
    rows: list[tuple[str, list[str]]] = [
        ("top-1", [f"{score.top(1):.2%}" for score in scores.values()]),
        (f"top-{TOP}", [f"{score.top(TOP):.2%}" for score in scores.values()]),
        ("same label as float", [f"{_agreement(score, scores['float']):.2%}" for score in scores.values()]),
        (f"energy a video, {regime.name}", [_energy(score.energy, priced) for score in scores.values()]),
        ("synaptic operations a video", ["-" if s.synops is None else f"{s.synops:,.0f}" for s in scores.values()]),
        ("spike rate", ["-" if s.spike_rate is None else f"{s.spike_rate:.2%}" for s in scores.values()]),
    ]
    for name, values in rows:
        shown.add_row(name, *values)
    show(shown)
    if regime.prices.keys() & FINER and any(score.energy is not None for score in scores.values()):
        show("energy without messages and hops, each membrane update as an active one's; hybridnet energy is finer")
    show(_class_table(scores, checkpoint))
    if checkpoint.training is None:
        show("the weights of this checkpoint are untrained, so its accuracy is chance")


def _energy(energy: float | None, priced: bool) -> str:
    if energy is None:
        return "-"
    return joules(energy) if priced else "unpriced"


def _class_table(scores: Mapping[str, Score], checkpoint: Checkpoint) -> Table:
    shown = new_table("accuracy by class", "class", "videos", *scores)
    for column in shown.columns[1:]:
        column.justify = "right"
    videos = next(iter(scores.values())).confusion.sum(axis=1)
    for n, label in enumerate(checkpoint.labels):
        if videos[n]:
            shown.add_row(label, str(videos[n]), *(f"{score.per_class[n]:.1%}" for score in scores.values()))
    return shown


def _dict(score: Score, checkpoint: Checkpoint, scores: Mapping[str, Score]) -> dict[str, Any]:
    return {
        "top1": score.top(1),
        "top5": score.top(TOP),
        "agreement_with_float": _agreement(score, scores["float"]),
        "energy": score.energy,
        "synops": score.synops,
        "spike_rate": score.spike_rate,
        "per_class": {
            label: None if math.isnan(share) else float(share)
            for label, share in zip(checkpoint.labels, score.per_class, strict=True)
        },
        "confusion": score.confusion.tolist(),
    }


def _write(out: Path, scores: Mapping[str, Score], checkpoint: Checkpoint, title: str) -> None:
    for form, score in scores.items():
        write_confusion(out / f"confusion_{form}.csv", score.confusion, checkpoint.labels)
    matrices = {f"{form}, top-1 {score.top(1):.1%}": score.confusion for form, score in scores.items()}
    draw_confusions(out / "confusion.png", matrices, checkpoint.labels, title)
