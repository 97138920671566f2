"""`hybridnet train`: what it shows while it trains, and what it says when that is done."""

import math
import sys
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress

from deploy.console import complain, print_json, progress, show
from deploy.pictures.curves import CURVES, draw_curves
from hybridnet.errors import HybridnetError
from hybridnet.training.config import read_config
from hybridnet.training.launch import is_first, rank_among_fellows
from hybridnet.training.log import LOG, read_log
from hybridnet.training.train import CHECKPOINT, train


def train_from(path: Path, init: Path | None, as_json: bool) -> None:
    """Train as the config says; a line an epoch, or one JSON object at the end. Raises what `train` raises.

    Of several processes only the first speaks, but for what ends one of the others.
    """
    config = read_config(path)
    out = Path(config.run.out)

    def after_epoch(folder: Path) -> None:
        rows = read_log(folder / LOG)
        draw_curves(rows, folder / CURVES, config.data.name)
        if not as_json:
            show(_line(rows[-1], config.run.epochs))

    with progress() if is_first() else Progress(disable=True) as bar:
        bar.columns = (BarColumn(), MofNCompleteColumn(), *bar.columns)
        task = bar.add_task("starting", total=None)
        try:
            rows = train(
                config,
                init=init,
                tell=complain,
                progress=lambda what, done, total: bar.update(task, description=what, completed=done, total=total),
                after_epoch=after_epoch,
            )
        except HybridnetError as error:
            if is_first():
                raise
            if (rank := rank_among_fellows()) is not None:  # before that, the first meets the same and says it
                complain(f"process {rank}: {error}")
            sys.exit(1)
    if not is_first():
        return
    if as_json:
        print_json({"checkpoint": str(out / CHECKPOINT), "data": config.data.name, "log": rows})
    else:
        show(f"wrote {out / CHECKPOINT}, {LOG} and {CURVES} beside it")


def _line(row: dict[str, float], epochs: int) -> str:
    test = "" if math.isnan(row["test_top1"]) else f", {row['test_top1']:.1%} on test"
    rate = "" if math.isnan(row["spike_rate"]) else f"; spike rate {row['spike_rate']:.2%}"
    return (
        f"epoch {row['epoch']:.0f} of {epochs}: loss {row['loss']:.3f}, top-1 {row['train_top1']:.1%} in training"
        f"{test}{rate}; {row['seconds']:.0f} s"
    )
