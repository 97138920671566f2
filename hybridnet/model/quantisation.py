"""From trainable reals to the chip's integers: pure functions that the forward pass and the export both use.

Everything is computed in float64 and returned as float32 tensors that hold exact integers, so that training,
golden arrays and exported files can never differ. Rounding and clipping let gradients pass straight through;
scales carry none.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hybridnet.errors import HybridnetError
from hybridnet.spiking import ACCUMULATION_LIMIT, DECAY_UNITY, POTENTIAL_UNITS, THRESHOLD_LIMIT

INPUT_LIMIT = 127  # motion and residuals are int8, symmetric
WEIGHT_LIMIT = 254  # weights are even, -256..254: Lava's Dense floors mixed-sign 8-bit weights to even
SCALE_FLOOR = 1e-9  # keeps the scale of an all-zero weight positive
HALF_UNIT = 0.5 / POTENTIAL_UNITS  # between a potential at the threshold, which does not fire, and the next above it
SCALE_MARGIN = 1 + 1e-9  # float64 rounding in a sum of weights stays far below this


@dataclass(frozen=True, eq=False)
class QuantisedLayer:
    """One layer as the integers of a `hybridnet.spiking.Layer`.

    weight     int32 (Cout,Cin,kh,kw), even, -256..254
    decay      0..4095: share of the potential lost per step, in 1/4096
    threshold  1..131071 (vThMant), or None for a readout
    scale      real value of one unit of weight times one unit of input
    """

    weight: np.ndarray
    decay: int
    threshold: int | None
    scale: float


class LayerIntegers(NamedTuple):
    """The same numbers as tensors with gradients: float32 holding exact integers, `scale` float64 without gradient."""

    weight: Tensor
    decay: Tensor
    threshold: Tensor | None
    scale: Tensor


def straight_through(real: Tensor, integer: Tensor) -> Tensor:
    """The value of `integer` exactly, with the gradient of `real` (which must be finite)."""
    return integer.detach() + (real - real.detach())


def quantise_decay(leak_logit: Tensor) -> Tensor:
    """decay = clamp(round(4096 * (1 - sigmoid(leak_logit))), 0, 4095), float64 scalar."""
    decay = DECAY_UNITY * (1 - torch.sigmoid(leak_logit.double()))
    return straight_through(decay, decay.round().clamp(0, DECAY_UNITY - 1))


def potential_gain(decay: Tensor, steps: int) -> Tensor:
    """Most that `steps` equal inputs can add up to from rest: sum over k < steps of (1 - decay/4096)^k."""
    keep = 1 - decay.detach() / DECAY_UNITY
    return sum((keep**k for k in range(1, steps)), torch.ones_like(keep))


def weight_scale(weight: Tensor, budget: Tensor) -> Tensor:
    """Real value s of one unit of weight, so that max over output channels of sum|w_int| never exceeds `budget`.

    s = max(max|w| / 254, max over channels of sum|w| / even(budget - n)), n weights per channel, even() the next even
    integer below. An even rounding adds at most 1 to each |w_int|, hence sum|w_int| <= sum|w|/s + n <= budget. Needs
    n + 2 <= budget. float64 scalar, no gradient.
    """
    size = weight.detach().double().abs().flatten(1)
    scale = torch.maximum(size.max() / WEIGHT_LIMIT, size.sum(1).max() / _sum_limit(budget, size.shape[1]))
    return (scale * SCALE_MARGIN).clamp(min=SCALE_FLOOR)


def _sum_limit(budget: Tensor, count: int) -> Tensor:
    return 2 * ((budget - count) / 2).floor()


def quantise_weight(weight: Tensor, scale: Tensor) -> Tensor:
    """w_int = 2 * clip(round(w / (2 * s)), -128, 127), float64."""
    ratio = weight.double() / scale
    return straight_through(ratio, 2 * (ratio / 2).round().clamp(-128, 127))


def quantise_threshold(threshold: Tensor, scale: Tensor) -> Tensor:
    """threshold_int = clamp(round(theta / scale), 1, 131071), float64 scalar."""
    ratio = threshold.double() / scale
    return straight_through(ratio, ratio.round().clamp(1, THRESHOLD_LIMIT))


def quantise_layer(
    weight: Tensor, leak_logit: Tensor, threshold: Tensor | None, input_limit: int, steps: int
) -> LayerIntegers:
    """All integers of one layer whose input lies within +-input_limit (127 graded, 1 spikes).

    One unit of input is worth 1/input_limit, so inputs are -1..1 in real units: scale = s / input_limit.
    Nothing can wrap: sum|w_int| * input_limit <= 2^17 - 1. A readout (threshold None) keeps
    sum|w_int| * input_limit * potential_gain <= 131071 too, so that a stock LIF with vThMant 131071 never spikes.
    """
    decay = quantise_decay(leak_logit)
    gain = torch.ones_like(decay.detach()) if threshold is not None else potential_gain(decay, steps)
    unit = weight_scale(weight, (ACCUMULATION_LIMIT - 1) / (input_limit * gain))
    scale = unit / input_limit
    return LayerIntegers(
        weight=quantise_weight(weight, unit).float(),
        decay=decay.float(),
        threshold=None if threshold is None else quantise_threshold(threshold, scale).float(),
        scale=scale,
    )


class LayerReals(NamedTuple):
    """Parameters of a layer in real units, float64."""

    weight: Tensor
    leak_logit: Tensor
    threshold: Tensor | None


def snap_layer(
    weight: Tensor, leak_logit: Tensor, threshold: Tensor | None, input_limit: int, steps: int
) -> LayerReals:
    """Reals that a layer's integers stand for: the float model is then the chip's, but for what that rounds as it runs.

        weight = s * w_int        leak = 1 - decay / 4096        theta = (t + 1/128) * scale

    theta is half a unit of potential above that at which a neuron just does not fire. `quantise_layer` makes the same
    scale and integers of them again. Where the scale is that of the largest sum|w|, the integers must add up to that
    limit for it: where they do not, the weights that were rounded furthest are rounded to the other side. A leak of 1
    stays as it is.
    """
    numbers = quantise_layer(weight, leak_logit, threshold, input_limit, steps)
    unit = numbers.scale * input_limit
    gain = torch.ones_like(unit) if threshold is not None else potential_gain(numbers.decay.double(), steps)
    limit = _sum_limit((ACCUMULATION_LIMIT - 1) / (input_limit * gain), weight[0].numel())
    integers = _with_sums(weight.detach().double() / unit, limit, scale_of_sums=bool(unit > SCALE_FLOOR * (1 + 1e-6)))
    keep = 1 - numbers.decay.double() / DECAY_UNITY
    return LayerReals(
        weight=integers * (unit / SCALE_MARGIN),
        leak_logit=torch.logit(keep) if keep < 1 else leak_logit.double(),
        threshold=None if numbers.threshold is None else (numbers.threshold.double() + HALF_UNIT) * numbers.scale,
    )


def _with_sums(ratio: Tensor, limit: Tensor, scale_of_sums: bool) -> Tensor:
    """`ratio` in even integers, no channel's sum|w_int| above `limit`, and the largest at it unless one is 254.

    scale_of_sums   False: the scale is the least there is, which no sum gave
    """
    wanted = ratio.flatten(1)
    integers = quantise_weight(wanted, torch.ones_like(limit))
    sums = integers.abs().sum(1)
    chosen = sums > limit
    if scale_of_sums and integers.abs().max() < WEIGHT_LIMIT and not chosen.any():
        chosen[sums.argmax()] = True
    for channel in chosen.nonzero().flatten().tolist():
        lacking = int(limit - sums[channel]) // 2
        rounded_down = wanted[channel].abs() - integers[channel].abs()
        furthest = rounded_down.argsort(descending=lacking > 0)[: abs(lacking)]
        away = torch.where(wanted[channel, furthest] < 0, -2, 2)
        integers[channel, furthest] += away if lacking > 0 else -away
    return integers.view_as(ratio)


def check_fan_in(name: str, fan_in: int, input_limit: int, gain: int) -> None:
    """HybridnetError unless `quantise_layer` can keep its promise: fan_in + 2 <= 131071 / (input_limit * gain).

    fan_in is weights per output channel; gain is 1, or the number of steps for a readout.
    """
    limit = (ACCUMULATION_LIMIT - 1) // (input_limit * gain)
    if fan_in > limit - 2:
        raise HybridnetError(
            f"layer {name}: {fan_in} weights per output channel, the limit is {limit - 2} for 24-bit potentials; "
            "use fewer channels or steps"
        )


def real_unit(scale: Tensor) -> Tensor:
    """Real value of one unit of potential, float32(scale / 64)."""
    return (scale / POTENTIAL_UNITS).float()
