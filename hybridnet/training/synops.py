"""The spike-rate regulariser: synaptic operations as a differentiable number, and what those over a budget cost."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from hybridnet.model.neurons import KERNEL
from hybridnet.model.temporal import STM


def spikes_by_place(spikes: Sequence[Tensor]) -> list[Tensor]:
    """Spikes of every clip at every place of every layer, summed over steps and channels: (N,h,w) of (T,N,C,h,w)."""
    return [layer.sum(dim=0).sum(dim=1) for layer in spikes]  # one axis at a time, along memory: many times as fast


def synaptic_operations(stm: STM, by_place: Sequence[Tensor]) -> Tensor:
    """Synaptic operations of every clip, float64 (N,): each spike times the synapses that it reaches.

    by_place   of every spiking layer, see `spikes_by_place`

    The count of `hardware.operations`, padding edges excluded; the first layer reads graded input, so its operations
    are MACs and not among them. The gradient of a spike is its fan-out.
    """
    total = by_place[0].new_zeros(len(by_place[0]), dtype=torch.float64)
    for spikes, layer in zip(by_place, stm.chain[1:], strict=True):
        rows, columns = (torch.tensor(_taps(length, layer.stride), dtype=spikes.dtype) for length in spikes.shape[1:])
        fan_out = len(layer.weight) * torch.outer(rows, columns)
        total = total + (spikes * fan_out.to(spikes.device)).sum(dim=(1, 2), dtype=torch.float64)
    return total


def over_budget(synops: Tensor, budget: float) -> Tensor:
    """Mean over all clips and streams of max(0, synops / budget - 1): nothing as long as all keep within it."""
    return (synops / budget - 1).clamp(min=0).mean()


@lru_cache(maxsize=64)
def _taps(length: int, stride: int) -> tuple[int, ...]:
    """Along one axis, how many outputs of a padded 3-tap convolution read each of `length` inputs."""
    padding = KERNEL // 2
    outputs = (length + 2 * padding - KERNEL) // stride + 1
    return tuple(
        sum(abs(place * stride - position) <= padding for place in range(outputs)) for position in range(length)
    )
