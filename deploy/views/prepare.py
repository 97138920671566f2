"""`hybridnet prepare`: what it shows while a cache is filled, what it says when that is done, and of a cache later."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn

from deploy.console import complain, counted, print_json, progress, show, some_of
from hybridnet.errors import PartialError, Stopped
from hybridnet.training.cache import INDEX, Entry, read_index
from hybridnet.training.prepare import prepare
from hybridnet.training.sources import find_sources
from hybridnet.video import Recipe


def prepare_videos(sources: Sequence[Path], cache: Path, recipe: Recipe, workers: int, as_json: bool) -> None:
    """Fill the cache; one line on stderr for each video that was rejected or is damaged, now or before.

    Raises what `prepare` raises, PartialError if videos were rejected, Stopped at Ctrl-C.
    """
    entries: list[Entry] = []
    total = len(find_sources(sources, cache))
    try:
        with progress() as bar, closing(prepare(sources, cache, recipe, workers=workers)) as found:
            bar.columns = (BarColumn(), MofNCompleteColumn(), *bar.columns)
            task = bar.add_task("preparing", total=total)
            for entry in found:
                bar.update(task, advance=1, description=f"prepared {Path(entry.source).name}")
                entries.append(entry)
                if entry.damage or (entry.error and total > 1):
                    complain(_fault(entry))
    except KeyboardInterrupt:
        those = "they are kept, and " if entries else ""
        raise Stopped(
            f"{cache}: stopped after {len(entries):,} of {total:,} videos; {those}the same command goes on"
        ) from None
    rejected = [entry for entry in entries if entry.error]
    new = sum(entry.new and not entry.error for entry in entries)
    kept = len(entries) - len(rejected) - new
    if as_json:
        print_json(
            {"cache": str(cache), "recipe": asdict(recipe), "done": new, "already_there": kept, **_listed(entries)}
        )
    elif total > 1 or not rejected:
        show(f"{cache}: {new:,} done, {kept:,} already there, {_totals(entries, recipe)}; index in {cache / INDEX}")
    if rejected:
        many = some_of(len(rejected), total, "were rejected")
        raise PartialError(_fault(rejected[0]) if total == 1 else many)


def is_cache(path: Path) -> bool:
    """Whether a path is a folder that `prepare` filled."""
    return (path / INDEX).is_file()


def inspect_cache(cache: Path, as_json: bool) -> None:
    """Show what the index of a cache says; OutputError if it cannot be read."""
    entries = list(read_index(cache).values())
    done = [entry for entry in entries if entry.output]
    recipe = done[0].recipe if done else None
    if as_json:
        print_json({"cache": str(cache), "recipe": recipe and asdict(recipe), **_listed(entries)})
        return
    show(f"{cache}: a cache of `hybridnet prepare`, {counted(len(done), 'video')}, {_totals(entries, recipe)}")
    show(*(_fault(entry) for entry in entries if entry.error or entry.damage))


def _fault(entry: Entry) -> str:
    return entry.error or f"{entry.source}: damaged ({entry.damage}); kept as far as it decodes"


def _faults(entries: Sequence[Entry]) -> tuple[int, int]:
    """How many were rejected, and how many are damaged."""
    return sum(bool(entry.error) for entry in entries), sum(bool(entry.damage) for entry in entries)


def _listed(entries: Sequence[Entry]) -> dict[str, Any]:
    """Counts and entries, JSON-ready."""
    rejected, damaged = _faults(entries)
    return {"rejected": rejected, "damaged": damaged, "videos": [entry.to_dict() for entry in entries]}


def _totals(entries: Sequence[Entry], recipe: Recipe | None) -> str:
    rejected, damaged = _faults(entries)
    frames = f"{counted(sum(entry.frames for entry in entries), 'frame')} of {recipe}" if recipe else "no frames"
    return f"{rejected:,} rejected, {damaged:,} damaged; {frames}"
