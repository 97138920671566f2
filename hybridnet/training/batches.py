"""Batches: which GOPs of which videos, through which views. Nothing random depends on what was drawn before it.

TSN's sampling (Wang et al. 2016): in training, a random GOP from each of K equal segments of a video, whose logits are
averaged; in evaluation all the stored ones, which are spread uniformly. Every draw comes from the seed, the epoch and
the video alone, so neither processes nor a resumed run change it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from hybridnet.model.config import ModelConfig
from hybridnet.training.arrays import open_arrays, picture_shape
from hybridnet.training.augment import View, centre_view, cut, random_view
from hybridnet.training.config import TrainConfig
from hybridnet.training.data import Video
from hybridnet.video import STREAMS

Argument = TypeVar("Argument")
Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class Batch:
    """N clips of n videos, one video's after the other's.

    iframe, motion, residual   as `HybridNet.forward` takes them, in the memory format that it likes best; what is not
                               among the model's modalities is empty
    labels                     int64 (n,)
    clips                      how many of the N belong to each video
    """

    iframe: Tensor
    motion: Tensor
    residual: Tensor
    labels: Tensor
    clips: tuple[int, ...]

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        iframe, motion, residual, labels = (
            x.to(device) for x in (self.iframe, self.motion, self.residual, self.labels)
        )
        return Batch(iframe, motion, residual, labels, self.clips)


def draw_gops(rng: np.random.Generator, count: int, segments: int) -> list[int]:
    """A random one of each of `segments` equal parts of `count` GOPs; parts overlap where there are fewer GOPs."""
    edges = [(k * count // segments, (k + 1) * count // segments) for k in range(segments)]
    return [int(rng.integers(low, max(high, low + 1))) for low, high in edges]


def epoch_order(videos: int, config: TrainConfig, epoch: int) -> list[np.ndarray]:
    """Indices of the videos of each step's batch: a permutation; what does not fill a batch waits for another epoch."""
    order = np.random.default_rng([config.run.seed, epoch]).permutation(videos)
    batch = min(config.run.batch, videos - videos % config.run.processes_in_all)
    return [order[start : start + batch] for start in range(0, videos - batch + 1, batch)]


def training_batches(
    videos: Sequence[Video], model: ModelConfig, config: TrainConfig, epoch: int, *, first: int, rank: int
) -> Iterator[Batch]:
    """This process's share of every batch of an epoch from step `first` on."""

    modalities = model.modalities.split("+")

    def make(indices: np.ndarray) -> Batch:
        chosen = []
        for index in indices:
            rng = np.random.default_rng([config.run.seed, epoch, int(index)])
            records = open_arrays(videos[index].file)
            height, width = picture_shape(records)
            for gop in draw_gops(rng, len(records), config.run.segments):
                view = random_view(rng, height, width, modalities, config.augmentation)
                chosen.append((records[gop], view))
        labels = [videos[index].label for index in indices]
        return _batch(chosen, model, labels, (config.run.segments,) * len(indices))

    steps = epoch_order(len(videos), config, epoch)[first:]
    return one_ahead(make, (indices[rank :: config.run.processes_in_all] for indices in steps))


def evaluation_batches(videos: Sequence[Video], model: ModelConfig, batch: int) -> Iterator[Batch]:
    """Every stored clip of every video, in order, its centre crop."""

    def make(part: Sequence[Video]) -> Batch:
        stored = [open_arrays(video.file) for video in part]
        chosen = [
            (record, centre_view(*picture_shape(records), model.size)) for records in stored for record in records
        ]
        return _batch(chosen, model, [video.label for video in part], tuple(map(len, stored)))

    return one_ahead(make, (videos[start : start + batch] for start in range(0, len(videos), batch)))


def one_ahead(make: Callable[[Argument], Made], arguments: Iterable[Argument]) -> Iterator[Made]:
    """`map`, each made in a thread while the one before it is in use."""
    with ThreadPoolExecutor(1) as pool:
        coming = None
        for argument in arguments:
            after = pool.submit(make, argument)
            if coming:
                yield coming.result()
            coming = after
        if coming:
            yield coming.result()


def _batch(chosen: list[tuple[np.void, View]], model: ModelConfig, labels: list[int], clips: tuple[int, ...]) -> Batch:
    steps, place = chosen[0][0]["motion"].shape[0], (model.size, model.size)
    arrays = {}
    if model.reads_iframe:
        arrays["iframe"] = np.empty((len(chosen), *place, 3), np.float32)
    for stream in model.streams:  # as the STM reads them: steps first
        arrays[stream] = np.empty((steps, len(chosen), *place, STREAMS[stream]), np.float32)
    for n, (record, view) in enumerate(chosen):
        cut(record, view, {name: array[n] if name == "iframe" else array[:, n] for name, array in arrays.items()})
    tensors = {
        name: x.permute(0, 3, 1, 2) if name == "iframe" else x.permute(1, 0, 4, 2, 3)
        for name, x in ((name, torch.from_numpy(array)) for name, array in arrays.items())
    }
    nothing = torch.empty(0)
    return Batch(
        iframe=tensors.get("iframe", nothing),
        motion=tensors.get("motion", nothing),
        residual=tensors.get("residual", nothing),
        labels=torch.tensor(labels),
        clips=clips,
    )
