"""`Front`: where the order of modelling puts a temporal modulator, hence what its first convolution is."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from hybridnet.model.choices import Order
from hybridnet.model.config import ModelConfig
from hybridnet.model.neurons import KERNEL


@dataclass(frozen=True)
class Front:
    """The first convolution of a temporal modulator.

    in_channels      of one step of its input
    channels         of every layer's output
    kernel, stride   input pixels, both axes
    padding          zeros at each edge; without any, the kernel reads whole patches, see `whole`
    """

    in_channels: int
    channels: int
    kernel: int
    stride: int
    padding: int

    def whole(self, x: Tensor) -> Tensor:
        """x (...,H,W), without padding with zeros at the right and the bottom, up to whole patches."""
        if self.padding:
            return x
        height, width = x.shape[-2:]
        return F.pad(x, (0, -width % self.stride, 0, -height % self.stride))


def _on_pixels(config: ModelConfig, in_channels: int) -> Front:
    return Front(in_channels, config.stm_channels, KERNEL, config.stm_stride, KERNEL // 2)


def _on_patches(config: ModelConfig, in_channels: int) -> Front:
    """The patch embedding is the modulator's own convolution, so that it still reads integers and has spikes next."""
    return Front(in_channels, config.dim, config.patch, config.patch, 0)


def _on_tokens(config: ModelConfig, in_channels: int) -> Front:
    """Pointwise: 3x3 over as many graded channels as a token has would not keep within 24 bits."""
    return Front(config.dim, config.dim, 1, 1, 0)


FRONTS: dict[Order, Callable[[ModelConfig, int], Front]] = {
    "T-LS-GS": _on_pixels,
    "LS-T-GS": _on_patches,
    "LS-GS-T": _on_tokens,
}
