"""The neurons of a layer as autograd functions: the chip's integers forward, the real model backward.

`Membrane` goes step by step, anywhere. `Fire` and `Settle` are what training needs of it, fast, on the CPU only.
"""

from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.nn.grad import conv2d_input, conv2d_weight

from hybridnet.model import membrane_kernels as kernels
from hybridnet.spiking import DECAY_UNITY, POTENTIAL_LIMIT, POTENTIAL_UNITS, Reset


class Membrane(torch.autograd.Function):
    """All steps of one layer's neurons; sums, potentials and bar = 64 * threshold are integers in float32.

    forward:   pre_t  = clip24(trunc0(post_(t-1) * keep / 4096) + 64 * sums_t)
               s_t    = pre_t > bar                                            (never, if bar is None)
               post_t = pre_t * (1 - s_t) (reset "zero")  or  pre_t - s_t * bar (reset "subtract")
    backward:  ds/du = 1 / (1 + gamma * (u - theta)^2) in real units, u = pre * unit; truncating and clipping let
               gradients pass; a reset is an event, through whose spike none flows.

    One function for the whole run, in place, because allocating every step costs more than the arithmetic.
    """

    @staticmethod
    def forward(
        ctx: Any,
        sums: Tensor,
        rest: Tensor,
        keep: Tensor,
        bar: Tensor | None,
        unit: Tensor,
        gamma: float,
        reset: Reset,
    ) -> tuple[Tensor, Tensor]:
        keep = keep / DECAY_UNITY
        pre = torch.empty_like(sums)
        post = pre if bar is None else torch.empty_like(sums)
        spikes = torch.zeros_like(sums[:0]) if bar is None else torch.empty_like(sums)
        wide = torch.empty_like(rest, dtype=torch.float64)  # products reach 2^35, past float32
        for t in range(len(sums)):
            wide.copy_(post[t - 1] if t else rest).mul_(keep).trunc_().add_(sums[t], alpha=POTENTIAL_UNITS)
            pre[t] = wide.clamp_(-POTENTIAL_LIMIT, POTENTIAL_LIMIT)
            if bar is not None:
                fired = pre[t] > bar
                spikes[t] = fired
                post[t] = pre[t]
                if reset == "zero":
                    post[t].masked_fill_(fired, 0)
                else:
                    post[t].addcmul_(spikes[t], bar, value=-1)
        ctx.save_for_backward(pre, post, rest, keep, bar, unit)
        ctx.gamma, ctx.reset = gamma, reset
        ctx.set_materialize_grads(False)
        return spikes, post

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_spikes: Tensor | None, grad_post: Tensor | None) -> tuple[Tensor | None, ...]:
        pre, post, rest, keep, bar, unit = ctx.saved_tensors
        grad_sums = torch.empty_like(pre)
        grad_keep = torch.zeros_like(keep)
        grad_bar = None if bar is None else torch.zeros_like(bar)
        grad = torch.zeros_like(rest)  # of post_t, then of pre_t, then of post_(t-1)
        for t in reversed(range(len(pre))):
            if grad_post is not None:
                grad += grad_post[t]
            if bar is not None:
                fired = pre[t] > bar
                if ctx.reset == "zero":
                    grad.masked_fill_(fired, 0)
                else:
                    grad_bar -= (grad * fired).sum()
            if grad_spikes is not None:
                slope = ((pre[t] - bar) * unit).square_().mul_(ctx.gamma).add_(1).reciprocal_().mul_(unit)
                slope *= grad_spikes[t]
                grad_bar -= slope.sum()
                grad += slope
            torch.mul(grad, POTENTIAL_UNITS, out=grad_sums[t])
            grad_keep += torch.dot(grad.flatten(), (post[t - 1] if t else rest).flatten())
            grad *= keep
        return grad_sums, grad, grad_keep / DECAY_UNITY, grad_bar, None, None, None


class Fire(torch.autograd.Function):
    """The spikes of `Membrane` from rest, on the CPU; sums (T,...) in either memory format, spikes in the same."""

    @staticmethod
    def forward(ctx: Any, sums: Tensor, keep: Tensor, bar: Tensor, unit: Tensor, gamma: float, reset: Reset) -> Tensor:
        spikes = torch.empty_like(sums)
        pre = torch.empty_like(sums if any(ctx.needs_input_grad) else sums[:0])
        numbers = float(keep) / DECAY_UNITY, float(bar), reset == "subtract"
        arrays = _flat(sums), *numbers, _flat(pre), _flat(spikes)
        kernels.over_blocks(sums[0].numel(), lambda *part: kernels.fire(*arrays, *part))
        ctx.save_for_backward(pre, keep, bar, unit)
        ctx.gamma, ctx.reset = gamma, reset
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_spikes: Tensor) -> tuple[Tensor | None, ...]:
        pre, keep, bar, unit = ctx.saved_tensors
        grad_sums = torch.empty_like(pre)
        totals = np.zeros((kernels.count_blocks(pre[0].numel()), 2))
        numbers = [np.float32(float(n)) for n in (keep / DECAY_UNITY, bar, unit, ctx.gamma)]
        arrays = _flat(pre), *numbers, ctx.reset == "subtract", _flat(_like(grad_spikes, pre)), _flat(grad_sums), totals
        kernels.over_blocks(pre[0].numel(), lambda *part: kernels.fire_backward(*arrays, *part))
        grad_keep, grad_bar = torch.from_numpy(totals.sum(axis=0)).to(keep.dtype)
        return grad_sums, grad_keep / DECAY_UNITY, grad_bar, None, None, None


class Settle(torch.autograd.Function):
    """A readout's convolution and its potential after the last step, from rest, on the CPU.

    x (T,N,Cin,H,W) to v (N,Cout,h,w). Backward, v is the sum over t of 64 * keep^(T-1-t) * conv(x_t): one convolution
    of the weighted sum of all steps gives the gradient of the weight, and one that of every x_t but for its factor.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, keep: Tensor, padding: int) -> Tensor:
        sums = F.conv2d(x.flatten(0, 1), weight, padding=padding).unflatten(0, x.shape[:2])
        last, slope = torch.empty_like(sums[0]), torch.empty_like(sums[0])
        arrays = _flat(sums), float(keep) / DECAY_UNITY, _flat(last[None])[0], _flat(slope[None])[0]
        kernels.over_blocks(last.numel(), lambda *part: kernels.settle(*arrays, *part))
        ctx.save_for_backward(x, weight, keep, slope)
        ctx.padding = padding
        return last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, keep, slope = ctx.saved_tensors
        ratio = float(keep) / DECAY_UNITY
        factors = torch.tensor([POTENTIAL_UNITS * ratio**t for t in reversed(range(len(x)))], dtype=x.dtype)
        together = torch.empty_like(x[0])
        torch.mv(torch.from_numpy(_flat(x)).t(), factors, out=torch.from_numpy(_flat(together[None])[0]))
        grad = _like(grad, slope)
        grad_weight = conv2d_weight(together, weight.shape, grad, padding=ctx.padding)
        to_each = _like(conv2d_input(x.shape[1:], weight, grad, padding=ctx.padding), x[0])
        grad_x = torch.empty_like(x)
        torch.outer(factors, torch.from_numpy(_flat(to_each[None])[0]), out=torch.from_numpy(_flat(grad_x)))
        grad_keep = torch.dot(torch.from_numpy(_flat(grad[None])[0]), torch.from_numpy(_flat(slope[None])[0]))
        return grad_x, grad_weight, grad_keep / DECAY_UNITY, None


def _flat(x: Tensor) -> np.ndarray:
    """(T,...) as (T,M), M in the order of memory: a view, for x dense and its steps one after the other."""
    neurons = prod(x.shape[1:])
    return x.detach().as_strided((len(x), neurons), (neurons, 1)).numpy()


def _like(x: Tensor, other: Tensor) -> Tensor:
    """x in the memory format of another tensor of its shape."""
    return x if x.stride() == other.stride() else torch.empty_like(other).copy_(x)
