"""The data set in a folder: every clip's recipe, then the clips, then UCF-101's lists, which say that it is complete.

A run can be stopped at any moment and gone on with. A clip appears whole or not at all, and the same packages on the
same kind of machine give the same bytes, whatever the number of workers.
"""

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import re
from collections.abc import Generator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridnet.errors import BackendError, OutputError
from hybridnet.files import disk_errors, write_whole
from hybridnet.training.cache import LOCK, locked_cache, sweep
from hybridnet.training.mocap.encode import encode
from hybridnet.training.mocap.recipe import CLASSES, Recipe, draw_recipe
from hybridnet.training.workers import share_out

if TYPE_CHECKING:
    from hybridnet.training.mocap.render import Renderer

INDEX = "clips.json"
LISTS = ("classInd.txt", "trainlist01.txt", "testlist01.txt")
PACKAGES = ("pybullet", "numpy", "av", "pillow", "scikit-image")  # which decide a clip's bytes
LEFTOVER = re.compile(r"\.(clips\.json|\w+\.txt)\.[a-z0-9_]{8}")  # of `write_whole`, besides the AVIs


def plan(train: int, test: int) -> dict[str, Recipe]:
    """Recipes of `train` and `test` clips a class, by path inside the data set. A clip is the same in any plan."""
    return {
        f"{label}/{label}_{split}_{index:03d}.avi": draw_recipe(label, split, index)
        for label in CLASSES
        for split, count in (("train", train), ("test", test))
        for index in range(count)
    }


def generate(folder: Path, train: int, test: int, *, workers: int) -> Generator[tuple[str, bool]]:
    """Make the clips of `plan(train, test)` that `folder` lacks; yield each clip's path and whether it is new.

    train, test   clips a class, at least 1
    workers       processes, at least 1

    `clips.json` (the packages' versions, every clip's recipe) is there before the first clip, the lists after the last.
    Call it under `if __name__ == "__main__"`, for the workers import the main module.

    Raises BackendError if a package is missing, or if a worker cannot start or dies; OutputError if the folder holds
    something else, or clips made with other versions, if it is in use or cannot be written.
    """
    versions = find_versions()
    recipes = plan(train, test)
    _check_folder(folder, versions)
    with locked_cache(folder):
        _sweep(folder)
        try:
            command = f"hybridnet prepare rendered-mocap -o DIR --train {train} --test {test}"
            with disk_errors(folder):
                for label in CLASSES:
                    (folder / label).mkdir(exist_ok=True)
                for name in LISTS:
                    (folder / name).unlink(missing_ok=True)
            write_whole(folder / INDEX, _index(recipes, command, versions))
            missing = [(folder / name, recipe) for name, recipe in recipes.items() if not (folder / name).is_file()]
            lacking = {path for path, _ in missing}
            yield from ((name, False) for name in recipes if folder / name not in lacking)
            for (path, _), made in share_out(_make_clip, missing, workers):
                if made is None:
                    raise BackendError(f"{path}: the worker that drew it died, out of memory or by a fault; try again")
                yield path.relative_to(folder).as_posix(), True
            for name, content in _lists(recipes).items():
                write_whole(folder / name, content)
        finally:
            _sweep(folder)


def find_versions() -> dict[str, str]:
    """Installed versions of the packages that decide a clip's bytes; BackendError if one is missing."""
    try:
        return {package: importlib.metadata.version(package) for package in PACKAGES}
    except importlib.metadata.PackageNotFoundError as error:
        raise BackendError(f"rendered-mocap: needs {error}; install it with `pip install 'hybridnet[mocap]'`") from None


def digest(folder: Path, train: int, test: int) -> str:
    """SHA-256, in hex, of all clips of a plan one behind the other: alike where all bytes are."""
    whole = hashlib.sha256()
    for name in plan(train, test):
        whole.update((folder / name).read_bytes())
    return whole.hexdigest()


def _check_folder(folder: Path, versions: dict[str, str]) -> None:
    """OutputError unless the folder is new, empty, or a rendered mocap made with the same packages."""
    with disk_errors(folder):
        if not folder.exists() or not (held := {path.name for path in folder.iterdir()} - {LOCK}):
            return
    path = folder / INDEX
    if INDEX not in held and not all(LEFTOVER.fullmatch(name) or name in CLASSES for name in held):
        raise OutputError(f"{folder}: is not empty and holds no {INDEX} of rendered-mocap; give another folder")
    if INDEX not in held:
        return
    try:
        made_with = json.loads(path.read_bytes())["made_with"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        raise OutputError(f"{path}: is no index of rendered-mocap; give another folder") from None
    if made_with != versions:
        raise OutputError(
            f"{folder}: was made with {made_with}, installed are {versions}, which may give other bytes; "
            "give another folder"
        )


def _sweep(folder: Path) -> None:
    """Remove what a killed run left unfinished."""
    sweep(folder)
    for path in folder.iterdir():
        if LEFTOVER.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _index(recipes: dict[str, Recipe], command: str, versions: dict[str, str]) -> bytes:
    """clips.json: the command, the packages' versions, and each clip's class, seed and draws."""
    clips: dict[str, Any] = {}
    for name, recipe in recipes.items():
        draws = dataclasses.asdict(recipe)
        clips[name] = {"class": draws.pop("label"), "seed": f"{recipe.seed:064x}"} | draws
    return (json.dumps({"command": command, "made_with": versions, "clips": clips}, indent=1) + "\n").encode()


def _lists(recipes: dict[str, Recipe]) -> dict[str, bytes]:
    """UCF-101's three lists: classes numbered from 1, training clips with their number, test clips without."""
    numbers = {label: number for number, label in enumerate(CLASSES, start=1)}
    lines = (
        [f"{number} {label}" for label, number in numbers.items()],
        [f"{name} {numbers[recipe.label]}" for name, recipe in recipes.items() if recipe.split == "train"],
        [name for name, recipe in recipes.items() if recipe.split == "test"],
    )
    return {name: "".join(f"{line}\n" for line in each).encode() for name, each in zip(LISTS, lines, strict=True)}


def _make_clip(job: tuple[Path, Recipe]) -> bool:
    """Of a worker: draw and write one clip."""
    path, recipe = job
    write_whole(path, encode(_renderer().draw(recipe)))
    return True


@cache
def _renderer() -> "Renderer":
    """This worker's renderer. Bullet prints, when imported too; what a worker prints goes to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    from hybridnet.training.mocap.render import Renderer

    return Renderer()
