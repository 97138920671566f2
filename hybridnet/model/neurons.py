"""ConvLIF: a convolution and leaky integrate-and-fire neurons, in the chip's own integers.

The forward pass is bit for bit `hybridnet.spiking` (Lava's fixed-point LIF) in training and evaluation alike: inputs,
weights, potentials and thresholds are integers that float32 holds exactly, with |potential| < 2^24. The backward pass
sees the real model (the paper's equations 3 and 4): u = leak * u * (1 - s) + W o.

A cell is called as norse's are, `output, state = cell(input, state)`, so it fits `norse.torch.SequentialState`.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from hybridnet.errors import HybridnetError
from hybridnet.model.quantisation import LayerIntegers, QuantisedLayer, check_fan_in, quantise_layer, real_unit
from hybridnet.spiking import DECAY_UNITY, POTENTIAL_LIMIT, POTENTIAL_UNITS, Reset

KERNEL = 3
INITIAL_LEAK_LOGIT = 1.0  # keeps 73% of the potential per step
INITIAL_THRESHOLD = 0.5


class _Membrane(torch.autograd.Function):
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


class ConvLIF(nn.Module):
    """A 3x3 convolution into leaky integrate-and-fire neurons, or, if not spiking, into a readout's leaky integrators.

    name         of the layer in its stream
    weight       float32 (Cout,Cin,3,3), real units
    leak_logit   scalar; leak = sigmoid(leak_logit) is the share of the potential kept per step
    threshold    scalar theta, real units; None for a readout
    stride, padding   pixels, both axes
    input_limit  largest |input|: 127 for graded int8, 1 for spikes
    steps        longest run from rest for which a readout's potential is sure to stay within 131071 * 64
    reset        "zero" or "subtract"
    gamma        sharpness of the surrogate gradient
    gain         standard deviation of the initial weights times sqrt(weights per output channel)

    Raises HybridnetError if there are too many weights per output channel for 24-bit potentials.
    """

    threshold: nn.Parameter | None

    def __init__(
        self,
        name: str,
        in_channels: int,
        out_channels: int,
        *,
        steps: int,
        stride: int = 1,
        input_limit: int = 1,
        reset: Reset = "zero",
        gamma: float = 10.0,
        gain: float = 1.0,
        spiking: bool = True,
    ) -> None:
        super().__init__()
        fan_in = in_channels * KERNEL * KERNEL
        check_fan_in(name, fan_in, input_limit, 1 if spiking else steps)
        self.name = name
        self.stride = stride
        self.padding = KERNEL // 2
        self.input_limit = input_limit
        self.steps = steps
        self.reset = reset
        self.gamma = gamma
        self.spiking = spiking
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, KERNEL, KERNEL) * (gain * fan_in**-0.5))
        self.leak_logit = nn.Parameter(torch.tensor(INITIAL_LEAK_LOGIT))
        self.register_parameter("threshold", nn.Parameter(torch.tensor(INITIAL_THRESHOLD)) if spiking else None)

    def integers(self) -> LayerIntegers:
        """This layer's integers as tensors with gradients, from the parameters as they stand."""
        return quantise_layer(self.weight, self.leak_logit, self.threshold, self.input_limit, self.steps)

    def quantised(self) -> QuantisedLayer:
        """This layer's integers as plain numbers; HybridnetError if a parameter is not finite."""
        for name, parameter in self.named_parameters():
            if not parameter.isfinite().all():
                raise HybridnetError(f"layer {self.name}: {name} is not finite; the training diverged, train it again")
        with torch.no_grad():
            numbers = self.integers()
        return QuantisedLayer(
            weight=numbers.weight.to(torch.int32).cpu().numpy(),
            decay=int(numbers.decay),
            threshold=None if numbers.threshold is None else int(numbers.threshold),
            scale=float(numbers.scale),
        )

    def run(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(outputs, potentials) of every step, both (T,N,Cout,h,w), for integer x (T,N,Cin,H,W) in float32.

        Outputs are spikes (0 or 1) or, of a readout, the potentials. A potential is what the next step starts from:
        after reset, integer, within +-(2^23 - 1), in units of scale / 64. State is the one to start from, None rest.
        """
        numbers = self.integers()
        device = "cpu" if x.is_meta else x.device.type  # autocast knows no meta device
        with torch.autocast(device, enabled=False):  # bfloat16 cannot hold the sums
            sums = F.conv2d(x.flatten(0, 1), numbers.weight, stride=self.stride, padding=self.padding)
        sums = sums.unflatten(0, x.shape[:2])
        rest = torch.zeros_like(sums[0]) if state is None else state
        bar = None if numbers.threshold is None else numbers.threshold * POTENTIAL_UNITS
        keep = DECAY_UNITY - numbers.decay
        spikes, potentials = _Membrane.apply(sums, rest, keep, bar, real_unit(numbers.scale), self.gamma, self.reset)
        return (spikes if self.spiking else potentials), potentials

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """One step: (output, potential), both (N,Cout,h,w), for x (N,Cin,H,W); as `run` otherwise."""
        outputs, potentials = self.run(x[None], state)
        return outputs[0], potentials[0]
