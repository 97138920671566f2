"""Spatial modulators: patches become tokens by a learned convolution, at any resolution (the paper's section 3.2)."""

from torch import Tensor, nn
from torch.nn import functional as F

from hybridnet.model.config import ModelConfig


class PatchEmbedding(nn.Module):
    """One token per patch: non-overlapping convolution of side `patch`; picture edges are padded to a whole patch."""

    def __init__(self, in_channels: int, dim: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.project = nn.Conv2d(in_channels, dim, patch, stride=patch)

    def forward(self, x: Tensor) -> Tensor:
        """(N,C,H,W) to (N,dim,ceil(H/patch),ceil(W/patch)); zeros are added at the right and at the bottom."""
        height, width = x.shape[-2:]
        right, bottom = -width % self.patch, -height % self.patch
        return self.project(F.pad(x, (0, right, 0, bottom)) if right or bottom else x)


class SpatialModulator(nn.Module):
    """Embeds the I-frame and both potentials on one grid, one token per patch of the picture."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        map_patch = config.patch // config.stm_stride
        self.iframe = PatchEmbedding(3, config.dim, config.patch)
        self.motion = PatchEmbedding(config.stm_channels, config.dim, map_patch)
        self.residual = PatchEmbedding(config.stm_channels, config.dim, map_patch)

    def forward(self, iframe: Tensor, motion: Tensor, residual: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Three maps (N,dim,g,g) from the I-frame (N,3,S,S), 0..255, and the potentials (N,C,h,w), real units."""
        return self.iframe(iframe / 127.5 - 1), self.motion(motion), self.residual(residual)
