"""The network as it is trained: logits of videos, the loss, and what its spikes would cost."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hybridnet.model.network import HybridNet
from hybridnet.model.neurons import ConvLIF
from hybridnet.model.temporal import STM
from hybridnet.training.batches import Batch
from hybridnet.training.config import OptimiserConfig
from hybridnet.training.synops import over_budget, spikes_by_place, synaptic_operations

TOP = 5


class Outcome(NamedTuple):
    """Of one batch: n videos, N clips, S streams that spike, which are all of the model's or none.

    logits   (n,classes), the mean over each video's clips
    synops   float64 (N,S), synaptic operations
    spikes   per neuron and step, over all spiking layers; without gradient
    """

    logits: Tensor
    synops: Tensor
    spikes: Tensor


class Learner(nn.Module):
    """A `HybridNet` that takes whole batches, so that what runs several processes has one forward pass to wrap."""

    def __init__(self, model: HybridNet) -> None:
        super().__init__()
        self.model = model

    @property
    def stms(self) -> dict[str, STM]:
        """What spikes, by stream."""
        return {stream: stm for stream, stm in self.model.modulators.items() if isinstance(stm, STM)}

    def forward(self, iframe: Tensor, motion: Tensor, residual: Tensor, clips: Sequence[int]) -> Outcome:
        """The outcome of a `Batch`'s clips."""
        logits, spikes = self.model.run(iframe, motion, residual)
        synops = logits.new_zeros(len(logits), 0, dtype=torch.float64)
        fired, neurons = logits.new_zeros(()), 0
        for stream, stm in self.stms.items():
            by_place = spikes_by_place(spikes[stream])
            synops = torch.cat([synops, synaptic_operations(stm, by_place)[:, None]], dim=1)
            fired = fired + sum(layer.detach().sum() for layer in by_place)
            neurons += sum(map(Tensor.numel, spikes[stream]))
        return Outcome(_means(logits, clips), synops, fired / max(neurons, 1))

    def predict(self, batch: Batch) -> Tensor:
        """Only the logits of a batch's videos."""
        return _means(self.model(batch.iframe, batch.motion, batch.residual), batch.clips)


def _means(logits: Tensor, clips: Sequence[int]) -> Tensor:
    return torch.stack([part.mean(dim=0) for part in logits.split(list(clips))])


def loss_of(outcome: Outcome, labels: Tensor, budget: float, weight: float) -> tuple[Tensor, Tensor]:
    """(cross-entropy, regulariser): what is minimised is their sum; the second is 0 for no budget or no spikes."""
    cross_entropy = F.cross_entropy(outcome.logits, labels)
    if not budget or not outcome.synops.numel():
        return cross_entropy, torch.zeros_like(cross_entropy)
    return cross_entropy, (weight * over_budget(outcome.synops, budget)).to(cross_entropy.dtype)


def count_right(logits: Tensor, labels: Tensor, top: int) -> int:
    """Videos whose label is among the `top` best logits."""
    best = logits.topk(min(top, logits.shape[1]), dim=1).indices
    return int((best == labels[:, None]).any(dim=1).sum())


def make_optimiser(model: nn.Module, config: OptimiserConfig) -> torch.optim.Adam:
    """Adam; weight decay only for weights, which have more than one axis."""
    named = [(parameter.ndim > 1, parameter) for parameter in model.parameters()]
    groups = [
        {"params": [p for is_weight, p in named if is_weight], "weight_decay": config.weight_decay},
        {"params": [p for is_weight, p in named if not is_weight], "weight_decay": 0.0},
    ]
    # fused takes a quarter of the time of tensor after tensor
    return torch.optim.Adam(groups, lr=config.learning_rate, eps=config.epsilon, fused=True)


def bound_thresholds(model: nn.Module) -> None:
    """After a step of the optimiser, which may take a neuron's threshold below zero: `ConvLIF.bound_threshold`."""
    for module in model.modules():
        if isinstance(module, ConvLIF):
            module.bound_threshold()


def snap_to_integers(model: nn.Module) -> None:
    """After the last step, so that float model and chip part as little as can be: `ConvLIF.snap`."""
    for module in model.modules():
        if isinstance(module, ConvLIF):
            module.snap()


def learning_rate(config: OptimiserConfig, step: int, steps_of_epoch: int, epochs: int) -> float:
    """Of a step counted from 0 over all epochs: a linear rise over the warm-up, times the schedule."""
    rise = config.warmup * steps_of_epoch
    rate = config.learning_rate * (min(1.0, (step + 1) / rise) if rise else 1.0)
    if config.schedule == "cosine":
        rate *= (1 + math.cos(math.pi * step / (steps_of_epoch * epochs))) / 2
    return rate
