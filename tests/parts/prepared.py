"""`prepare` as its tests call it, and what they look at in a cache."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np

from hybridnet.training.cache import INDEX, Entry
from hybridnet.training.prepare import prepare
from hybridnet.video import Recipe

RECIPE = Recipe(64, 48)


def run(sources: Path | Sequence[Path], cache: Path, recipe: Recipe = RECIPE, workers: int = 1) -> dict[str, Entry]:
    """`prepare`; entries by the name of the source."""
    given = [sources] if isinstance(sources, Path) else sources
    return {Path(entry.source).name: entry for entry in prepare(given, cache, recipe, workers=workers)}


def outputs(cache: Path) -> dict[str, tuple[int, str]]:
    """Every AVI of a cache, hidden files too: when it was written, and the hash of its bytes."""
    files = [file for file in cache.rglob("*") if file.is_file() and file.name not in (INDEX, ".lock")]
    return {
        file.relative_to(cache).as_posix(): (file.stat().st_mtime_ns, hashlib.sha256(file.read_bytes()).hexdigest())
        for file in files
    }


def lines(cache: Path) -> list[dict]:
    return [json.loads(line) for line in (cache / INDEX).read_text().splitlines()]


def decode(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
