"""The Spiking Temporal Modulator (STM): a chain of ConvLIF layers and a readout over the P-frames of one GOP."""

from functools import partial
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hybridnet.errors import HybridnetError
from hybridnet.model.config import ModelConfig
from hybridnet.model.front import FRONTS
from hybridnet.model.membrane_kernels import hold_integers
from hybridnet.model.neurons import ConvLIF
from hybridnet.model.quantisation import INPUT_LIMIT, real_unit

SPIKING_GAIN = 2.0  # of the initial weights: spikes at a few percent in, spikes at a few percent out
READOUT_GAIN = 1.0  # potentials near one in real units


class STM(nn.Module):
    """Turns T motion or residual frames into one map of analog membrane potentials (the paper's section 3.2).

    Layers "conv1", "conv2", ... spike, the last one, "readout", does not, so its potential is never cut by a reset
    of its own. State is zeroed before every clip. `input_gain` scales the first layer's initial weights; leaks and
    thresholds are learned unless they are `fixed`. An input may lack channels down to `fewest`: they count as zeros.
    """

    def __init__(
        self,
        in_channels: int,
        config: ModelConfig,
        input_gain: float,
        *,
        fixed: bool = False,
        fewest: int | None = None,
    ) -> None:
        super().__init__()
        self.front = front = FRONTS[config.order](config, in_channels)
        self.fewest = front.in_channels if fewest is None else fewest
        width = front.channels
        layer = partial(ConvLIF, steps=config.steps, reset=config.reset, gamma=config.surrogate_gamma, fixed=fixed)
        first = layer(
            "conv1",
            front.in_channels,
            width,
            kernel=front.kernel,
            stride=front.stride,
            padding=front.padding,
            input_limit=INPUT_LIMIT,
            gain=input_gain,
        )
        self.layers = nn.ModuleList([first])
        for i in range(2, config.stm_layers):
            self.layers.append(layer(f"conv{i}", width, width, gain=SPIKING_GAIN))
        self.layers.append(layer("readout", width, width, gain=READOUT_GAIN, spiking=False))

    @property
    def chain(self) -> list[ConvLIF]:
        """`layers`, typed."""
        return cast(list[ConvLIF], list(self.layers))

    def forward(self, x: Tensor) -> Tensor:
        """Readout potential after the last step, real units: float32 (N,C,h,w) = float32(v) * float32(scale / 64).

        x is float32 (N,T,C,H,W) holding integers of -127..127, T at most the config's steps; HybridnetError for
        anything else.
        """
        return self.run(x)[0]

    def run(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(what `forward` gives, the spikes (T,N,C,h,w) of every spiking layer), for x as `forward` takes it."""
        *spiking, readout = self.chain
        spikes = [self._steps_first(x)]
        for layer in spiking:
            spikes.append(layer.outcome(spikes[-1]))
        return readout.outcome(spikes[-1]) * real_unit(readout.integers().scale), spikes[1:]

    @torch.no_grad()
    def run_real(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """`run` of the float model: real weights, leaks, thresholds and potentials, nothing rounded; for comparison."""
        *spiking, readout = self.chain
        spikes = [self._steps_first(x) / INPUT_LIMIT]
        for layer in spiking:
            spikes.append(layer.real_outcome(spikes[-1]))
        return readout.real_outcome(spikes[-1]), spikes[1:]

    def _steps_first(self, x: Tensor) -> Tensor:
        """(N,T,C,H,W), checked, to (T,N,C,H,W) in the memory format that suits convolutions."""
        self._check(x, "(N,T,C,H,W)")
        x = self._widened(x)
        frames = x.transpose(0, 1).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        return frames.unflatten(0, (x.shape[1], x.shape[0]))

    def _widened(self, x: Tensor) -> Tensor:
        """x (...,C,H,W) with all the channels and whole patches that the first layer reads."""
        lacking = self.front.in_channels - x.shape[-3]
        return self.front.whole(F.pad(x, (0, 0, 0, 0, 0, lacking)) if lacking else x)  # padding by nothing copies

    @torch.no_grad()
    def trace(self, x: Tensor) -> list[tuple[str, np.ndarray, np.ndarray]]:
        """(name, spikes, v) of every layer for one clip x (T,C,H,W), as `forward` takes it.

        spikes is bool (T,C,h,w), all False for the readout; v is int32 (T,C,h,w), the potential after reset.
        """
        self._check(x, "(T,C,H,W)")
        recorded = []
        x = self._widened(x)[:, None]
        for layer in self.chain:
            x, potentials = layer.run(x)
            v = potentials[:, 0].int()
            spikes = x[:, 0].bool() if layer.spiking else torch.zeros_like(v, dtype=torch.bool)
            recorded.append((layer.name, spikes.cpu().numpy(), v.cpu().numpy()))
        return recorded

    def _check(self, x: Tensor, form: str) -> None:
        channels = self.front.in_channels
        if x.ndim != form.count(",") + 1 or not self.fewest <= x.shape[-3] <= channels or 0 in x.shape:
            raise HybridnetError(f"STM: input {tuple(x.shape)} must be {form} with {channels} channels, not empty")
        limit = self.chain[-1].steps
        if x.shape[-4] > limit:
            raise HybridnetError(f"STM: input of {x.shape[-4]} steps exceeds the model config's {limit}; drop frames")
        if x.dtype != torch.float32:
            raise HybridnetError(f"STM: input of {x.dtype} must be torch.float32 holding integers; convert it")
        if not x.is_meta and not _holds_integers(x):
            raise HybridnetError(f"STM: input must hold integers within +-{INPUT_LIMIT}; scale and clip it first")


def _holds_integers(x: Tensor) -> bool:
    if x.device.type == "cpu":
        return hold_integers(x, INPUT_LIMIT)
    return torch.equal(x, x.trunc()) and bool(max(-x.min(), x.max()) <= INPUT_LIMIT)
