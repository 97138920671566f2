"""`hybridnet figure`: the paper's figures, each from one command."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli_inspect import Json
from deploy.console import complain, print_json, progress, show
from deploy.doctor import extra
from deploy.pictures.curves import draw_curves
from deploy.pictures.energy import draw_energy, read_evaluation
from deploy.pictures.features import draw_features
from deploy.pictures.trajectories import read_spaces
from deploy.pictures.tsne import draw_tsne
from deploy.runtime import open_bundle
from hybridnet.files import keep_apart
from hybridnet.training.log import LOG, read_log

figure = typer.Typer(no_args_is_help=True, help="Draw the paper's figures, each from one command.")

Png = Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The PNG to write.")]


@figure.command()
def tsne(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="Of one action.")], png: Png, as_json: Json = False
) -> None:
    """An action and its reverse, picture by picture and P-frame by P-frame, flattened to a plane by t-SNE."""
    keep_apart(png, video)
    with progress() as bar:
        task = bar.add_task(f"turning {video.name} round", total=None)
        spaces = read_spaces(video)
        bar.update(task, description="flattening")
        draw_tsne(video.name, spaces, png)
    if as_json:
        print_json({"png": str(png), "mixing": {name: space.mixing for name, space in spaces.items()}})
        return
    for name, space in spaces.items():
        show(f"{name}: for {space.mixing:.0%} the nearest one is of the other video")
    show(f"wrote {png}")


@figure.command()
def features(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A bundle that `hybridnet export` wrote.")],
    video: Annotated[Path, typer.Argument(metavar="VIDEO")],
    png: Png,
    clip: Annotated[int, typer.Option(min=0, help="Clip to draw, from 0.")] = 0,
    as_json: Json = False,
) -> None:
    """Membrane potentials of STM channels over the P-frames of a clip, beside its pictures."""
    keep_apart(png, folder, video)
    steps = draw_features(open_bundle(folder), video, clip, png)
    _written(png, as_json, steps=steps)


@figure.command()
def energy(
    results: Annotated[list[Path], typer.Argument(metavar="RESULT.json...", help="What `evaluate --json` printed.")],
    png: Png,
    as_json: Json = False,
) -> None:
    """Accuracy against energy: points of `hybridnet evaluate --json`, and apart from them the paper's."""
    keep_apart(png, *results)
    evaluations = [read_evaluation(path) for path in results]
    for path, evaluation in zip(results, evaluations, strict=True):
        if not evaluation.points:
            complain(f"{path}: has no joules, so it is not drawn")
    draw_energy(evaluations, png)
    _written(png, as_json, points=sum(len(evaluation.points) for evaluation in evaluations))


@figure.command()
def curves(
    log: Annotated[Path, typer.Argument(metavar="LOG", help=f"The folder of a training, or its {LOG}.")],
    png: Png,
    as_json: Json = False,
) -> None:
    """Loss, accuracy and synaptic operations of a training over its epochs."""
    file = log / LOG if log.is_dir() else log
    keep_apart(png, file)
    rows = read_log(file)
    with extra("report"):
        draw_curves(rows, png, str(log))
    _written(png, as_json, epochs=len(rows))


def _written(png: Path, as_json: bool, **facts: object) -> None:
    if as_json:
        print_json({"png": str(png), **facts})
    else:
        show(f"wrote {png}")
