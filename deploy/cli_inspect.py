"""The commands `inspect` and `targets`: what is inside a thing, and what it could run on."""

import json
from pathlib import Path
from typing import Annotated

import typer

from deploy.bundle import Bundle, read_bundle
from deploy.console import print_json, show
from deploy.kinds import refuse_others
from deploy.manifest import MANIFEST
from deploy.options import Json
from deploy.views import results
from deploy.views.mapping import inspect_mapping
from deploy.views.prepare import inspect_cache, is_cache
from deploy.views.targets import list_and_check
from deploy.views.video import inspect_video, is_video
from hybridnet.errors import VideoError
from hybridnet.files import missing
from simulators import load_net, needed_processes


def inspect(
    path: Annotated[
        Path, typer.Argument(metavar="DIR|FILE.net|VIDEO", help="A bundle, a cache, a .net file, or a video.")
    ],
    target: Annotated[
        str | None, typer.Option(help="Map a bundle or .net file to this chip: of `hybridnet targets`, or a TOML file.")
    ] = None,
    png: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw a video's compressed domain, or with --target the chip's cores."),
    ] = None,
    gop: Annotated[
        list[int] | None,
        typer.Option(min=0, help="GOP to draw, from 0; may be repeated. Left out: the first full one."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what is inside a bundle, a cache of `prepare`, a .net file or a video.

    With --target: which cores of a chip the spiking layers take, which limit binds, how full the cores are, what
    messages cross the mesh, what does not fit, and what to change.
    """
    if not path.exists():
        raise VideoError(f"{path}: {missing(path)}")
    refuse_others(path)
    video, cache = is_video(path), is_cache(path)
    if target is not None and (video or cache):
        raise VideoError(f"{path}: has no layers to map to a target; give a bundle or a .net file, or no --target")
    if video:
        inspect_video(path, png, gop or (), as_json)
        return
    if gop or (png and target is None):
        raise VideoError(f"{path}: is no video, and only a video can be drawn; leave out --png and --gop")
    if cache:
        inspect_cache(path, as_json)
    elif path.is_dir():
        _inspect_bundle(path, target, png, as_json)
    else:
        _inspect_net(path, target, png, as_json)


def _inspect_bundle(path: Path, target: str | None, png: Path | None, as_json: bool) -> None:
    bundle = read_bundle(path)
    if target is not None:
        inspect_mapping(path.name, bundle.graphs, target, bundle, png, as_json)
    elif as_json:
        print_json(json.loads((path / MANIFEST).read_text(encoding="utf-8")))
    else:
        show_bundle(bundle)
        show(*results.manifest_lines(bundle))


def _inspect_net(path: Path, target: str | None, png: Path | None, as_json: bool) -> None:
    graph = load_net(path)
    if target is not None:
        inspect_mapping(path.name, {path.stem: graph}, target, None, png, as_json)
    elif as_json:
        print_json(results.graph_dict(graph))
    else:
        show(results.graph_table(path.name, graph), results.needs_line(path.name, needed_processes(graph)))


def targets(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME|FILE]...", help="Targets to show in full, and TOML files to check."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the targets that ship; or show given ones in full, with every limit, price and source, and check files."""
    list_and_check(names or [], as_json)


def show_bundle(bundle: Bundle) -> None:
    """Its partition, its spiking graphs and its bridge."""
    show(results.partition_table(bundle))
    for stream, graph in bundle.graphs.items():
        show(results.graph_table(f"{stream}.net", graph))
    show(results.port_table(bundle))
