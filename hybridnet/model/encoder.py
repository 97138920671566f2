"""From maps to tokens and back, with a transformer between (the paper's section 3.3)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hybridnet.model.config import ModelConfig
from hybridnet.model.transformers import TRANSFORMERS

POSITION_DEVIATION = 0.02  # as in ViT (Dosovitskiy et al. 2021)


class Encoder(nn.Module):
    """Spatiotemporal positions, the transformer over the tokens, and token folding back to maps.

    The I-frame is time 0, the P-frames' maps are of the time after the last of them: a position per modality is both.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        grid, modalities = -(-config.size // config.patch), config.reads_iframe + len(config.streams)
        self.space = nn.Parameter(torch.randn(1, config.dim, grid, grid) * POSITION_DEVIATION)
        self.modality = nn.Parameter(torch.randn(modalities, config.dim, 1, 1) * POSITION_DEVIATION)
        self.transformer = TRANSFORMERS[config.encoder](config, modalities)

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """A map (N,dim,gy,gx) per modality, on one grid, to the same; positions are interpolated to another grid."""
        grid = maps[0].shape[-2:]
        space: Tensor = self.space
        if space.shape[-2:] != grid:
            space = F.interpolate(space, grid, mode="bicubic", align_corners=False)
        placed = [x + space + modality for x, modality in zip(maps, self.modality, strict=True)]
        tokens = self.transformer(tuple(x.flatten(2).transpose(1, 2) for x in placed))
        return tuple(x.transpose(1, 2).unflatten(2, grid) for x in tokens)
