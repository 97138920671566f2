"""Generate the rendered-mocap benchmark: real human motion capture, rendered figures, compressed video.

    python examples/rendered_mocap/generate.py -o DIR --train 100 --test 30 --workers 2

makes `DIR/<class>/<class>_<split>_<index>.avi`, the lists `classInd.txt`, `trainlist01.txt` and `testlist01.txt` as
UCF-101 has them, and `clips.json` with every clip's recipe. Clips that are already there are kept, so a run that was
stopped goes on; a file appears whole or not at all.
"""

import argparse
import dataclasses
import importlib.metadata
import importlib.util
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from encode import encode
from recipe import CLASSES, Recipe, draw_recipe

if TYPE_CHECKING:
    from render import Renderer

PACKAGES = ("pybullet", "numpy", "av", "pillow", "scikit-image")


def data_set(classes: Sequence[str], train: int, test: int) -> dict[str, Recipe]:
    """Recipes of `train` and `test` clips a class, by path inside the data set."""
    return {
        f"{label}/{label}_{split}_{index:03d}.avi": draw_recipe(label, split, index)
        for label in classes
        for split, count in (("train", train), ("test", test))
        for index in range(count)
    }


def sample(classes: Sequence[str], index: int) -> dict[str, Recipe]:
    """Recipes of one test clip a class, by file name."""
    return {f"{label}.avi": draw_recipe(label, "test", index) for label in classes}


def make_clips(folder: Path, recipes: dict[str, Recipe], workers: int) -> int:
    """Make the clips that are not there yet in `workers` processes; return how many were made."""
    missing = {folder / name: recipe for name, recipe in recipes.items() if not (folder / name).exists()}
    for parent in {folder} | {path.parent for path in missing}:
        parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    executor = ProcessPoolExecutor(workers, initializer=_silence)
    try:
        futures = [executor.submit(_make_clip, path, recipe) for path, recipe in missing.items()]
        for done, future in enumerate(as_completed(futures), start=1):
            future.result()
            _show_progress(done, len(futures), time.monotonic() - started)
    finally:
        executor.shutdown(cancel_futures=True)
    return len(missing)


def write_lists(folder: Path, classes: Sequence[str], recipes: dict[str, Recipe]) -> None:
    """Write UCF-101's three lists: classes numbered from 1, training clips with their number, test clips without."""
    numbers = {label: number for number, label in enumerate(classes, start=1)}
    lists = {
        "classInd.txt": [f"{number} {label}" for label, number in numbers.items()],
        "trainlist01.txt": [f"{name} {numbers[r.label]}" for name, r in recipes.items() if r.split == "train"],
        "testlist01.txt": [name for name, r in recipes.items() if r.split == "test"],
    }
    for name, lines in lists.items():
        _write_whole(folder / name, "".join(f"{line}\n" for line in lines).encode())


def write_index(folder: Path, recipes: dict[str, Recipe], command: str) -> None:
    """Write clips.json: the command, the packages' versions, and each clip's class, seed and draws."""
    clips = {}
    for name, recipe in recipes.items():
        draws = dataclasses.asdict(recipe)
        clips[name] = {"class": draws.pop("label"), "seed": f"{recipe.seed:064x}"} | draws
    versions = {package: importlib.metadata.version(package) for package in PACKAGES}
    index = {"command": command, "made_with": versions, "clips": clips}
    _write_whole(folder / "clips.json", (json.dumps(index, indent=1) + "\n").encode())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parse(arguments)
    if importlib.util.find_spec("pybullet") is None:
        print("pybullet is not installed: pip install -r examples/rendered_mocap/requirements.txt", file=sys.stderr)
        return 1
    command = "python examples/rendered_mocap/generate.py -o DIR"
    if options.sample is None:
        recipes = data_set(options.classes, options.train, options.test)
        command += f" --train {options.train} --test {options.test}"
    else:
        recipes = sample(options.classes, options.sample)
        command += f" --sample {options.sample}"
    if options.classes != list(CLASSES):
        command += f" --classes {' '.join(options.classes)}"
    started = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a killed parent would leave its workers behind
    try:
        made = make_clips(options.output, recipes, options.workers)
    except KeyboardInterrupt:
        print("stopped: the same command goes on from here", file=sys.stderr)
        return 130
    if options.sample is None:
        write_lists(options.output, options.classes, recipes)
    write_index(options.output, recipes, command)
    print(
        f"{made} clips made in {time.monotonic() - started:.1f} s, {len(recipes) - made} were there: {options.output}"
    )
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Generate the rendered-mocap benchmark.")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the clips")
    parser.add_argument("--train", type=_at_least(0), metavar="N", help="training clips a class (100)")
    parser.add_argument("--test", type=_at_least(0), metavar="M", help="test clips a class (30)")
    parser.add_argument("--sample", type=_at_least(0), metavar="INDEX", help="only this test clip, as CLASS.avi")
    parser.add_argument("--classes", nargs="+", choices=CLASSES, default=list(CLASSES), metavar="CLASS")
    parser.add_argument("--workers", type=_at_least(1), default=2, metavar="N", help="processes (2)")
    options = parser.parse_args(arguments)
    if options.sample is not None and (options.train is not None or options.test is not None):
        parser.error("--sample makes one clip a class: leave out --train and --test")
    options.train = 100 if options.train is None else options.train
    options.test = 30 if options.test is None else options.test
    return options


def _at_least(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least {least}")
        return int(text)

    return parse


def _silence() -> None:
    """Send what a worker prints, Bullet's greeting and warnings, to nowhere. Its exceptions still reach the parent."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


@cache
def _renderer() -> "Renderer":
    """This process's renderer. pybullet prints when imported, so only silenced workers import it."""
    from render import Renderer

    return Renderer()


def _make_clip(path: Path, recipe: Recipe) -> None:
    _write_whole(path, encode(_renderer().draw(recipe)))


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it appears whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)


def _show_progress(done: int, total: int, seconds: float) -> None:
    """One line on stderr, rewritten on a terminal; elsewhere a line every hundred clips."""
    rate = done / seconds
    line = f"{done}/{total} clips, {rate:.1f} a second, {(total - done) / rate:.0f} s left"
    if sys.stderr.isatty():
        print(f"\r{line:<60}", end="\n" if done == total else "", file=sys.stderr, flush=True)
    elif done % 100 == 0:
        print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
