"""ConvLIF: a convolution and leaky integrate-and-fire neurons, in the chip's own integers.

The forward pass is bit for bit `hybridnet.spiking` (Lava's fixed-point LIF) in training and evaluation alike: inputs,
weights, potentials and thresholds are integers that float32 holds exactly, with |potential| < 2^24. The backward pass
sees the real model (the paper's equations 3 and 4): u = leak * u * (1 - s) + W o.

A cell is called as norse's are, `output, state = cell(input, state)`, so it fits `norse.torch.SequentialState`.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hybridnet.errors import HybridnetError
from hybridnet.model.membrane import Fire, Membrane, Settle
from hybridnet.model.quantisation import (
    LayerIntegers,
    QuantisedLayer,
    check_fan_in,
    quantise_layer,
    real_unit,
    snap_layer,
)
from hybridnet.spiking import DECAY_UNITY, POTENTIAL_UNITS, Reset

KERNEL = 3
INITIAL_LEAK_LOGIT = 1.0  # keeps 73% of the potential per step
INITIAL_THRESHOLD = 0.5
LEAST_THRESHOLD = 0.01


class ConvLIF(nn.Module):
    """A convolution into leaky integrate-and-fire neurons, or, if not spiking, into a readout's leaky integrators.

    name         of the layer in its stream
    weight       float32 (Cout,Cin,kernel,kernel), real units
    leak_logit   scalar; leak = sigmoid(leak_logit) is the share of the potential kept per step
    threshold    scalar theta, real units; None for a readout
    kernel, stride, padding   pixels, both axes
    input_limit  largest |input|: 127 for graded int8, 1 for spikes
    steps        longest run from rest for which a readout's potential is sure to stay within 131071 * 64
    reset        "zero" or "subtract"
    gamma        sharpness of the surrogate gradient
    gain         standard deviation of the initial weights times sqrt(weights per output channel)
    fixed        leak and threshold stay as they start: buffers, not parameters

    Raises HybridnetError if there are too many weights per output channel for 24-bit potentials.
    """

    leak_logit: Tensor
    threshold: Tensor | None

    def __init__(
        self,
        name: str,
        in_channels: int,
        out_channels: int,
        *,
        steps: int,
        kernel: int = KERNEL,
        stride: int = 1,
        padding: int = KERNEL // 2,
        input_limit: int = 1,
        reset: Reset = "zero",
        gamma: float = 10.0,
        gain: float = 1.0,
        spiking: bool = True,
        fixed: bool = False,
    ) -> None:
        super().__init__()
        fan_in = in_channels * kernel * kernel
        check_fan_in(name, fan_in, input_limit, 1 if spiking else steps)
        self.name = name
        self.stride = stride
        self.padding = padding
        self.input_limit = input_limit
        self.steps = steps
        self.reset = reset
        self.gamma = gamma
        self.spiking = spiking
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel, kernel) * (gain * fan_in**-0.5))
        self._hold("leak_logit", INITIAL_LEAK_LOGIT, fixed)
        self._hold("threshold", INITIAL_THRESHOLD if spiking else None, fixed)

    def _hold(self, name: str, value: float | None, fixed: bool) -> None:
        number = None if value is None else torch.tensor(value)
        if fixed:
            self.register_buffer(name, number)
        else:
            self.register_parameter(name, None if number is None else nn.Parameter(number))

    @torch.no_grad()
    def bound_threshold(self) -> None:
        """Raise a threshold below LEAST_THRESHOLD to it: the chip has none below one unit, so the models would part."""
        if self.threshold is not None:
            self.threshold.clamp_(min=LEAST_THRESHOLD)

    @torch.no_grad()
    def snap(self) -> None:
        """Give the parameters the values that the chip's integers stand for, `snap_layer`; the integers stay."""
        reals = snap_layer(self.weight, self.leak_logit, self.threshold, self.input_limit, self.steps)
        self.weight.copy_(reals.weight)
        for number, real in ((self.leak_logit, reals.leak_logit), (self.threshold, reals.threshold)):
            if isinstance(number, nn.Parameter) and real is not None:  # what is fixed stays as it is
                number.copy_(real)

    def integers(self) -> LayerIntegers:
        """This layer's integers as tensors with gradients, from the parameters as they stand."""
        return quantise_layer(self.weight, self.leak_logit, self.threshold, self.input_limit, self.steps)

    def quantised(self) -> QuantisedLayer:
        """This layer's integers as plain numbers; HybridnetError if a parameter is not finite."""
        for name, parameter in self.state_dict().items():
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
        sums = self._sums(x, numbers.weight)
        rest = torch.zeros_like(sums[0]) if state is None else state
        bar = None if numbers.threshold is None else numbers.threshold * POTENTIAL_UNITS
        keep = DECAY_UNITY - numbers.decay
        spikes, potentials = Membrane.apply(sums, rest, keep, bar, real_unit(numbers.scale), self.gamma, self.reset)
        return (spikes if self.spiking else potentials), potentials

    def outcome(self, x: Tensor) -> Tensor:
        """What the next part needs of a run from rest: all spikes, or, of a readout, the last potential (N,Cout,h,w).

        The same bits as `run`, several times faster on the CPU.
        """
        if x.device.type != "cpu":
            outputs, _ = self.run(x)
            return outputs if self.spiking else outputs[-1]
        numbers = self.integers()
        keep = DECAY_UNITY - numbers.decay
        if numbers.threshold is None:
            with torch.autocast("cpu", enabled=False):
                return Settle.apply(x, _channels_last(numbers.weight), keep, self.padding)
        bar = numbers.threshold * POTENTIAL_UNITS
        sums = self._sums(x, _channels_last(numbers.weight))
        return Fire.apply(sums, keep, bar, real_unit(numbers.scale), self.gamma, self.reset)

    def real_outcome(self, x: Tensor) -> Tensor:
        """`outcome` of the real model (the paper's equations 3 and 4), nothing of it rounded; without gradients.

        Weight, leak and threshold are the parameters themselves. x is in real units, -1..1; so is the potential.
        """
        leak = torch.sigmoid(self.leak_logit)
        sums = F.conv2d(x.flatten(0, 1), self.weight, stride=self.stride, padding=self.padding).unflatten(
            0, x.shape[:2]
        )
        u, spikes = torch.zeros_like(sums[0]), []
        for a in sums:
            u = leak * u + a
            if self.threshold is not None:
                fired = u > self.threshold
                u = torch.where(fired, 0 if self.reset == "zero" else u - self.threshold, u)
                spikes.append(fired.to(x.dtype))
        return torch.stack(spikes) if spikes else u

    def _sums(self, x: Tensor, weight: Tensor) -> Tensor:
        device = "cpu" if x.is_meta else x.device.type  # autocast knows no meta device
        with torch.autocast(device, enabled=False):  # bfloat16 cannot hold the sums
            sums = F.conv2d(x.flatten(0, 1), weight, stride=self.stride, padding=self.padding)
        return sums.unflatten(0, x.shape[:2])

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """One step: (output, potential), both (N,Cout,h,w), for x (N,Cin,H,W); as `run` otherwise."""
        outputs, potentials = self.run(x[None], state)
        return outputs[0], potentials[0]


def _channels_last(x: Tensor) -> Tensor:
    """In the memory format in which convolutions of a few channels are three times as fast on the CPU."""
    return x.contiguous(memory_format=torch.channels_last)
