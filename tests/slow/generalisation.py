"""What a model trained on rendered mocap has not learned: unseen clips, unseen scenes, or unseen cameras.

make generalisation    # or: python tests/slow/generalisation.py CHECKPOINT MOCAP [--cache DIR] [--write DOCUMENT]

Beside the training and the test split of MOCAP stand clips of the training's kind that nobody trained on, and the same
clips again with nothing changed but the scene, or the camera, each drawn as test clips have it.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from documents import write_part
from hybridnet.model.checkpoint import load_checkpoint
from hybridnet.model.network import HybridNet
from hybridnet.training.batches import evaluation_batches
from hybridnet.training.config import DataConfig
from hybridnet.training.data import Video, store_data
from hybridnet.training.mocap.encode import encode
from hybridnet.training.mocap.recipe import CLASSES, Recipe, draw_recipe
from hybridnet.training.mocap.render import Renderer

FIRST, COUNT = 100_000, 30  # indices of unseen clips, beyond any training split; how many a class
TRAINED = 10  # of the training split, every so many is measured
AT_ONCE = 8  # videos


def recipes() -> Iterator[tuple[str, Recipe]]:
    """(kind, recipe) of every clip to render."""
    for label in CLASSES:
        for index in range(FIRST, FIRST + COUNT):
            unseen, tested = draw_recipe(label, "train", index), draw_recipe(label, "test", index)
            yield "unseen clips, training scenes and cameras", unseen
            yield "the same clips, test scenes", replace(unseen, scene=tested.scene)
            yield "the same clips, test cameras", replace(unseen, azimuth=tested.azimuth)


def render(root: Path) -> list[str]:
    """Render all recipes below root/KIND/CLASS; returns the kinds."""
    renderer, kinds = Renderer(), dict[str, None]()
    for number, (kind, recipe) in enumerate(recipes()):
        if number % 150 == 0:
            print(f"rendering: {number} of {3 * COUNT * len(CLASSES)}", file=sys.stderr, flush=True)
        kinds[kind] = None
        path = root / kind / recipe.label / f"{recipe.index}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(renderer.draw(recipe)))
    return list(kinds)


@torch.no_grad()
def accuracy(model: HybridNet, videos: list[Video]) -> tuple[float, float]:
    """Top-1 in per cent of videos, logits averaged over their clips, and of single clips."""
    of_videos, of_clips = list[bool](), list[bool]()
    for batch in evaluation_batches(videos, model.config, AT_ONCE):
        each = model(batch.iframe, batch.motion, batch.residual).split(list(batch.clips))
        for logits, label in zip(each, batch.labels, strict=True):
            of_videos.append(bool(logits.mean(dim=0).argmax() == label))
            of_clips += (logits.argmax(dim=1) == label).tolist()
    return 100 * float(np.mean(of_videos)), 100 * float(np.mean(of_clips))


def measure(checkpoint: Path, mocap: Path, cache: Path) -> str:
    """The table, in Markdown; `cache` may be that of the training."""
    model = load_checkpoint(checkpoint).model
    lines = ["| clips | videos | top-1 | top-1 of single clips |", "|---|---|---|---|"]

    def add(name: str, videos: list[Video]) -> None:
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        of_videos, of_clips = accuracy(model, videos)
        lines.append(f"| {name} | {len(videos):,} | {of_videos:.1f}% | {of_clips:.1f}% |")

    with tempfile.TemporaryDirectory() as folder:
        split = DataConfig("mocap", "ucf101", str(mocap), str(cache), split=1)
        stored = store_data(split, model.config.preprocessing(), workers=2)
        add(f"training split, every {TRAINED}th", list(stored.train[::TRAINED]))
        for kind in render(Path(folder)):
            place = DataConfig(kind, "folder", f"{folder}/{kind}", f"{folder}/arrays", train="all", test="all")
            add(kind, list(store_data(place, model.config.preprocessing(), workers=2).test))
        add("test split: unseen scenes and cameras", list(stored.test))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("mocap", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("runs/arrays"), help="of the preprocessed arrays")
    parser.add_argument("--write", type=Path, metavar="DOCUMENT")
    given = parser.parse_args()
    table = measure(given.checkpoint, given.mocap, given.cache)
    print(table)
    if given.write:
        write_part(given.write, "generalisation", table)
