"""A training step on the shipped clips, part by part, beside the same step through the general, step-by-step membranes.

make bench    # or: python tests/benchmarks/bench_training.py

One thread; a figure is the least processor time of its rounds, ms a clip. The last column is the general way over the
fast one, forward and backward together, rounds interleaved, so it depends little on the machine.
"""

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import torch
from rich.console import Console
from rich.table import Table

from hybridnet.model.config import preset
from hybridnet.model.network import HybridNet
from hybridnet.model.neurons import ConvLIF
from hybridnet.training.batches import Batch, training_batches
from hybridnet.training.config import DataConfig, RunConfig, TrainConfig
from hybridnet.training.data import StoredData, store_data
from hybridnet.training.learner import Learner, make_optimiser
from hybridnet.training.memory import keep_memory

CLIPS = Path(__file__).parents[2] / "examples" / "clips"
ROUNDS = 4
CASES: tuple[dict[str, int], ...] = (
    {},
    {"stm_stride": 4},
    {"size": 96},
    {"size": 96, "stm_stride": 4},
    {"stm_layers": 2},
)
PARTS = ("data", "STMs forward", "rest forward", "backward", "Adam")


def general(layer: ConvLIF, x: torch.Tensor) -> torch.Tensor:
    """`ConvLIF.outcome` as it is where no compiled loops are."""
    outputs, _ = layer.run(x)
    return outputs if layer.spiking else outputs[-1]


def step(learner: Learner, optimiser: torch.optim.Optimizer, load: Callable[[], Batch]) -> list[float]:
    """One step; processor seconds of each of PARTS."""
    marks = [time.process_time()]

    def mark() -> None:
        marks.append(time.process_time())

    batch = load()
    mark()
    model = learner.model
    potentials = [model.modulators[stream](getattr(batch, stream)) for stream in model.config.streams]
    mark()
    logits = model.conventional(batch.iframe, *potentials)
    loss = torch.nn.functional.cross_entropy(logits, batch.labels)
    mark()
    optimiser.zero_grad()
    loss.backward()
    mark()
    optimiser.step()
    mark()
    return [after - before for before, after in pairwise(marks)]


def measure(config: TrainConfig, data: StoredData) -> tuple[list[float], float]:
    """(ms a clip of each part, general way over fast way)."""
    torch.manual_seed(0)
    learner = Learner(HybridNet(config.model_config(len(data.labels))))
    optimiser = make_optimiser(learner, config.optimiser)
    shape = learner.model.config

    def load() -> Batch:
        return next(training_batches(data.train, shape, config, 0, first=0, rank=0))

    fast, slow = [], []
    for _ in range(ROUNDS + 1):  # the first one warms up
        fast.append(step(learner, optimiser, load))
        with patch.object(ConvLIF, "outcome", general):
            slow.append(step(learner, optimiser, load))
    least = [min(part) for part in zip(*fast[1:], strict=True)]
    slowest = [min(part) for part in zip(*slow[1:], strict=True)]
    work = slice(1, 4)
    return [1e3 * seconds / len(data.train) for seconds in least], sum(slowest[work]) / sum(least[work])


def main() -> None:
    keep_memory()
    torch.set_num_threads(1)
    table = Table("model", "parameters", *PARTS, "ms a clip", "general / fast")
    with tempfile.TemporaryDirectory() as folder:
        for clip in sorted(CLIPS.glob("*.avi")):
            place = Path(folder, "videos", clip.stem)
            place.mkdir(parents=True)
            shutil.copy(clip, place)
        where = DataConfig("clips", "folder", f"{folder}/videos", f"{folder}/arrays", train="all", test="all")
        for case in CASES:
            config = TrainConfig(where, RunConfig(f"{folder}/out", epochs=1), {"preset": "tiny", **case})
            data = store_data(where, config.preprocessing(), workers=2)
            config = replace(config, run=replace(config.run, batch=len(data.train)))
            parts, ratio = measure(config, data)
            model = HybridNet(replace(preset("tiny", len(data.labels)), **case))
            name = ", ".join(["tiny", *(f"{key} {value}" for key, value in case.items())])
            count = sum(parameter.numel() for parameter in model.parameters())
            table.add_row(name, f"{count:,}", *(f"{ms:.1f}" for ms in parts), f"{sum(parts):.1f}", f"{ratio:.1f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
