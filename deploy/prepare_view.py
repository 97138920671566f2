"""`hybridnet prepare`: what it shows while a cache is filled, and what it says when that is done."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn

from deploy.console import complain, print_json, progress, show
from hybridnet.errors import HybridnetError, VideoError
from hybridnet.training.cache import INDEX, Entry
from hybridnet.training.prepare import find_jobs, prepare
from hybridnet.video import Recipe


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def prepare_videos(sources: Sequence[Path], cache: Path, recipe: Recipe, workers: int, as_json: bool) -> None:
    """Fill the cache; one line on stderr for each video rejected, now or before, and then HybridnetError.

    A single video that is rejected is its VideoError. Raises what `prepare` raises.
    """
    entries: list[Entry] = []
    total = len(find_jobs(sources, cache))
    with progress() as bar:
        bar.columns = (BarColumn(), MofNCompleteColumn(), *bar.columns)
        task = bar.add_task("preparing", total=total)
        for entry in prepare(sources, cache, recipe, workers=workers):
            bar.update(task, advance=1, description=f"prepared {Path(entry.source).name}")
            if entry.error and total > 1:
                complain(entry.error)
            entries.append(entry)
    rejected = [entry.error for entry in entries if entry.error]
    new = sum(entry.new and not entry.error for entry in entries)
    kept = len(entries) - len(rejected) - new
    if as_json:
        counts = {"done": new, "already_there": kept, "rejected": len(rejected)}
        videos = [entry.to_dict() for entry in entries]
        print_json({"cache": str(cache), "recipe": asdict(recipe), **counts, "videos": videos})
    elif total > 1 or not rejected:
        frames = sum(entry.frames for entry in entries)
        show(
            f"{cache}: {new:,} done, {kept:,} already there, {len(rejected):,} rejected; {frames:,} frames of "
            f"{recipe.width}x{recipe.height}, GOP {recipe.gop}; index in {cache / INDEX}"
        )
    if rejected and total == 1:
        raise VideoError(rejected[0])
    if rejected:
        raise HybridnetError(f"{len(rejected)} of {total} videos were rejected, each named above; the others are done")
