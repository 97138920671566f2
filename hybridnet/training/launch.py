"""The processes of a training: Lightning Fabric starts them on one machine, or takes those that torchrun started."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from lightning_fabric.utilities.exceptions import MisconfigurationException

from hybridnet.errors import ConfigError, HybridnetError
from hybridnet.training.config import RunConfig

PATIENCE = timedelta(days=1)  # of a process that waits for another one


def is_first() -> bool:
    """Whether this is the process that speaks, of those that Fabric or torchrun started."""
    return os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0"


def check_launch(config: RunConfig) -> None:
    """ConfigError unless as many processes run, or will, as the config says."""
    wanted = config.processes_in_all
    started = os.environ.get("WORLD_SIZE")
    if started is not None and int(started) != wanted:
        raise ConfigError(f"run: {started} processes were started, processes x nodes is {wanted}; make them equal")
    if started is None and config.nodes > 1:
        raise ConfigError(f"run.nodes is {config.nodes}; start it with torchrun on each of them")


def launched(config: RunConfig) -> Fabric:
    """The Fabric of this process, all its fellows running; ConfigError if there is no such hardware."""
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)  # it says what it does at every start
    warnings.filterwarnings("ignore", "Grad strides do not match", UserWarning)  # of 1x1 kernels, where it is no matter
    strategy = DDPStrategy(timeout=PATIENCE) if config.processes_in_all > 1 else "auto"
    try:
        fabric = Fabric(
            accelerator=config.accelerator, devices=config.processes, num_nodes=config.nodes, strategy=strategy
        )
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"run: {str(error).splitlines()[0].rstrip('.!')}; change run.accelerator or run.processes"
        ) from error
    fabric.launch()
    return fabric


@contextmanager
def among_fellows() -> Iterator[None]:
    """Around what a process does with the others: HybridnetError, in place of gloo's own, if one of them is gone."""
    try:
        yield
    except RuntimeError as error:
        if "gloo" not in str(error):
            raise
        raise HybridnetError(
            "another process of this training has ended, its own line says why; mend that and give the command again"
        ) from error


def rank_among_fellows() -> int | None:
    """Of this process, once it works with others, whose errors are not its own; None before."""
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else None


def leave(fabric: Fabric) -> None:
    """Part from the fellow processes; a thread of gloo's that outlived Python would abort the process at its end."""
    fabric.barrier()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
