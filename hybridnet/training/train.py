"""`train`: from a config to a checkpoint. It can be killed at any moment; the same call goes on, to the same bits.

Processes are Lightning Fabric's, one alone or several by its DDP strategy: it starts them on one machine, and takes
those that torchrun started on several.
"""

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from hybridnet.errors import ConfigError, DatasetError, HybridnetError
from hybridnet.model.checkpoint import load_checkpoint, save_checkpoint
from hybridnet.model.network import HybridNet
from hybridnet.processes import usable_cores
from hybridnet.training.batches import Batch, epoch_order, evaluation_batches, training_batches
from hybridnet.training.cache import locked_cache
from hybridnet.training.config import TrainConfig
from hybridnet.training.data import StoredData, store_data
from hybridnet.training.launch import among_fellows, check_launch, is_first, launched, leave
from hybridnet.training.learner import (
    TOP,
    Learner,
    bound_thresholds,
    count_right,
    learning_rate,
    loss_of,
    make_optimiser,
    snap_to_integers,
)
from hybridnet.training.log import write_log
from hybridnet.training.memory import keep_memory
from hybridnet.training.state import STATE, Position, load_state, read_position, save_state
from hybridnet.training.transfer import take_tensors

CHECKPOINT = "model.safetensors"
FREE = ("data.cache", "run.out", "run.save_every")  # keys that do not change what a training comes to

SUMMED = (
    "videos", "clips", "loss", "penalty", "right", "right_of_top", "spike_rate", "motion_synops", "residual_synops",
    "seconds",
)  # fmt: skip
EVALUATED_AT_ONCE = 4  # videos

Sums = dict[str, float]  # of SUMMED, which the log averages
Tell = Callable[[str], None]
Progress = Callable[[str, int, int], None]


def train(
    config: TrainConfig,
    *,
    init: Path | None = None,
    tell: Tell = lambda _: None,
    progress: Progress = lambda *_: None,
    after_epoch: Callable[[Path], None] = lambda _: None,
) -> list[dict[str, float]]:
    """Train, or go on where a killed run of the same config was; returns the rows of the log.

    init         checkpoint to take the tensors of that fit (`take_tensors`), in place of random ones
    tell         hears, of one process only, what is worth a line
    progress     hears likewise (what is done, how far, of how much)
    after_epoch  is called likewise with the folder once its log has a line more

    The folder `config.run.out` gets log.csv, state.safetensors and in the end model.safetensors with its JSON. Raises
    ConfigError if the folder holds the state of another training; DatasetError, OutputError, BackendError as
    `store_data`; CheckpointError for an `init` that cannot be read; HybridnetError if the loss is no longer finite, or
    another process of the training has ended.
    """
    check_launch(config.run)
    if not is_first():
        tell, progress, after_epoch = (lambda *_: None,) * 3
    out = Path(config.run.out)
    with locked_cache(out) if is_first() else nullcontext():
        data = store_data(
            config.data,
            config.preprocessing(),
            workers=usable_cores(),
            tell=tell,
            progress=partial(progress, "storing the videos' arrays"),
        )
        if len(data.train) < config.run.processes_in_all:
            raise DatasetError(
                f"{config.data.root}: {len(data.train)} training videos do not go round "
                f"{config.run.processes_in_all} processes; lower run.processes"
            )
        _require_spread(config, len(data.train))
        keep_memory()
        training = _Training(config, data, out, init, tell, progress)
        if (
            training.position.rows and is_first()
        ):  # whoever wrote the state may have been killed before its log was there
            write_log(out, training.position.rows)
            after_epoch(out)
        with among_fellows():
            while training.position.epoch < config.run.epochs:
                training.run_epoch()
                after_epoch(out)
            training.finish()
        return training.position.rows


def _require_spread(config: TrainConfig, videos: int) -> None:
    """Batch norm must see more than one value of a channel: ConfigError where a process has one clip of one pixel."""
    model, run = config.model_config(classes=2), config.run
    clips = len(epoch_order(videos, config, epoch=0)[0]) // run.processes_in_all * run.segments
    if model.mixer and model.size <= 2 * model.patch and clips == 1:
        raise ConfigError(
            f"run.batch is {run.batch}: one clip a process, of whose map the mixer leaves one pixel (model.size "
            f"{model.size}, model.patch {model.patch}), has no spread for batch norm; raise run.batch or run.segments"
        )


class _Training:
    """One process's part of a training that is under way."""

    def __init__(
        self, config: TrainConfig, data: StoredData, out: Path, init: Path | None, tell: Tell, progress: Progress
    ) -> None:
        self.config, self.data, self.out, self.progress = config, data, out, progress
        start = load_checkpoint(init) if init else None
        self.position = Position(config.to_dict() | {"init": {"sha256": _hash_file(init)}}, _hash(data))
        state = out / STATE
        found = state.exists()
        if found:
            self.position = _resumed(state, self.position)
        self.fabric = launched(config.run)
        torch.set_num_threads(config.run.threads or max(1, usable_cores() // config.run.processes))
        torch.manual_seed(config.run.seed)
        self.learner = Learner(HybridNet(config.model_config(len(data.labels))))
        if start and not found:
            tell(f"{init}: {take_tensors(self.learner.model, start)}")
        self.optimiser = make_optimiser(self.learner, config.optimiser)
        self.wrapped, self.stepper = self.fabric.setup(self.learner, self.optimiser)
        if found:
            load_state(state, self.learner, self.optimiser)
            done = self.position.epoch == config.run.epochs
            where = f"after {self.position.epoch} epochs and {self.position.step} steps"
            tell(f"{out}: {'had ended' if done else 'going on'} {where}")
        self.fabric.barrier()  # nobody writes a state before all have read it
        self.sums = _sums()
        if self.fabric.global_rank == 0:
            self.sums |= self.position.sums

    def run_epoch(self) -> None:
        """The rest of an epoch, its evaluation, its line in the log, and the state after it."""
        config, position = self.config, self.position
        steps = len(epoch_order(len(self.data.train), config, position.epoch))
        batches = training_batches(
            self.data.train,
            self.learner.model.config,
            config,
            position.epoch,
            first=position.step,
            rank=self.fabric.global_rank,
        )
        self.learner.train()
        for batch in batches:
            start = time.monotonic()
            self.progress(f"epoch {position.epoch + 1} of {config.run.epochs}", position.step, steps)
            rate = learning_rate(config.optimiser, position.epoch * steps + position.step, steps, config.run.epochs)
            self._step(batch, rate)
            position.step += 1
            self.sums["seconds"] += (time.monotonic() - start) / self.fabric.world_size
            if config.run.save_every and position.step % config.run.save_every == 0 and position.step < steps:
                self._save()
        if position.epoch + 1 == config.run.epochs:
            snap_to_integers(self.learner)
        start = time.monotonic()
        row = _training_row(position.epoch + 1, rate, self._gathered(self.sums))
        if not self.learner.stms:
            del row["spike_rate"]
        if (position.epoch + 1) % config.run.test_every == 0 or position.epoch + 1 == config.run.epochs:
            row |= _test_row(self._evaluate())
        position.rows.append(row | {"seconds": row["seconds"] + time.monotonic() - start})
        position.epoch, position.step = position.epoch + 1, 0
        self.sums = _sums()
        self._save()

    def finish(self) -> None:
        """Write the checkpoint, with what there is to know of its making, and part from the other processes."""
        if self.fabric.global_rank == 0:
            self._write_checkpoint()
        leave(self.fabric)

    def _write_checkpoint(self) -> None:
        last = self.position.rows[-1]
        facts = {
            "data": self.config.data.name,
            "train_videos": len(self.data.train),
            "test_videos": len(self.data.test),
            "epochs": self.config.run.epochs,
            "seed": self.config.run.seed,
            "top1": last["test_top1"],
            "top5": last["test_top5"],
            "config": self.position.config,
        }
        save_checkpoint(self.out / CHECKPOINT, self.learner.model, self.data.labels, facts)

    def _step(self, batch: Batch, rate: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        batch = batch.to(self.fabric.device)
        outcome = self.wrapped(batch.iframe, batch.motion, batch.residual, batch.clips)
        spikes = self.config.spikes
        loss, penalty = loss_of(outcome, batch.labels, spikes.synops_budget, spikes.weight)
        if not (loss + penalty).isfinite():
            raise HybridnetError(
                f"{self.out}: the loss is {loss.item()} in epoch {self.position.epoch + 1}; "
                "lower optimiser.learning_rate"
            )
        self.stepper.zero_grad()
        self.fabric.backward(loss + penalty)
        self.stepper.step()
        bound_thresholds(self.learner)
        videos, clips = len(batch.labels), sum(batch.clips)
        totals = outcome.synops.detach().sum(dim=0).tolist()  # of no stream, where nothing spikes
        synops = dict(zip(self.learner.model.config.streams, totals, strict=False))
        _add(
            self.sums,
            videos=videos,
            clips=clips,
            loss=loss.item() * videos,
            penalty=penalty.item() * videos,
            right=count_right(outcome.logits, batch.labels, 1),
            spike_rate=outcome.spikes.item() * clips,
            motion_synops=synops.get("motion", 0.0),
            residual_synops=synops.get("residual", 0.0),
        )

    @torch.no_grad()
    def _evaluate(self) -> Sums:
        """Sums over the test videos, each looked at by one process."""
        for buffer in self.learner.buffers():  # each process has its own of the last step
            buffer.copy_(self.fabric.broadcast(buffer))
        self.learner.eval()
        videos = self.data.test[self.fabric.global_rank :: self.fabric.world_size]
        sums = _sums()
        for batch in evaluation_batches(videos, self.learner.model.config, EVALUATED_AT_ONCE):
            self.progress(f"evaluating epoch {self.position.epoch + 1}", int(sums["videos"]), len(videos))
            batch = batch.to(self.fabric.device)
            logits = self.learner.predict(batch)
            _add(
                sums,
                videos=len(batch.labels),
                loss=float(F.cross_entropy(logits, batch.labels, reduction="sum")),
                right=count_right(logits, batch.labels, 1),
                right_of_top=count_right(logits, batch.labels, TOP),
            )
        return self._gathered(sums)

    def _gathered(self, sums: Sums) -> Sums:
        """The sums of all processes together."""
        own = torch.tensor([sums[name] for name in SUMMED], dtype=torch.float64)
        total = cast(Tensor, self.fabric.all_reduce(own, reduce_op="sum"))
        return dict(zip(SUMMED, total.tolist(), strict=True))

    def _save(self) -> None:
        total = self._gathered(self.sums)
        self.sums = total if self.fabric.global_rank == 0 else _sums()
        if self.fabric.global_rank == 0:
            self.position.sums = total
            save_state(self.out / STATE, self.position, self.learner, self.optimiser)
            write_log(self.out, self.position.rows)


def _sums() -> Sums:
    return dict.fromkeys(SUMMED, 0.0)


def _add(sums: Sums, **more: float) -> None:
    for name, value in more.items():
        sums[name] += value


def _training_row(epoch: int, rate: float, sums: Sums) -> dict[str, float]:
    videos, clips = sums["videos"], sums["clips"]
    return {
        "epoch": epoch,
        "learning_rate": rate,
        "loss": sums["loss"] / videos,
        "penalty": sums["penalty"] / videos,
        "train_top1": sums["right"] / videos,
        "spike_rate": sums["spike_rate"] / clips,
        "motion_synops": sums["motion_synops"] / clips,
        "residual_synops": sums["residual_synops"] / clips,
        "seconds": sums["seconds"],
    }


def _test_row(sums: Sums) -> dict[str, float]:
    videos = sums["videos"]
    top1, top5 = sums["right"] / videos, sums["right_of_top"] / videos
    return {"test_loss": sums["loss"] / videos, "test_top1": top1, "test_top5": top5}


def _hash(data: StoredData) -> str:
    videos = [[[video.file.name, video.label] for video in part] for part in (data.train, data.test)]
    return hashlib.sha256(json.dumps([data.labels, videos]).encode()).hexdigest()


def _hash_file(path: Path | None) -> str | None:
    return None if path is None else hashlib.sha256(path.read_bytes()).hexdigest()


def _resumed(path: Path, wanted: Position) -> Position:
    """The position of a state; ConfigError if it is that of another training."""
    found = read_position(path)
    for section, values in wanted.config.items():
        before = found.config.get(section, {})
        for key in sorted(values.keys() | before.keys()):
            if values.get(key) != before.get(key) and f"{section}.{key}" not in FREE:
                raise ConfigError(
                    f"{path}: is of a training with {section}.{key} {before.get(key)!r}, the config says "
                    f"{values.get(key)!r}; give another run.out (--init takes its weights there), or remove the file"
                )
    if found.data != wanted.data:
        raise ConfigError(
            f"{path}: the videos have changed since it was written; give another run.out, or remove it to start anew"
        )
    return found
