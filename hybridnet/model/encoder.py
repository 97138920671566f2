"""The unified transformer over the tokens of all three modalities (the paper's section 3.3)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hybridnet.model.config import ModelConfig

MODALITIES = 3  # I-frame, motion, residual; the I-frame is time 0, the others the time after the last P-frame
MLP_RATIO = 4
POSITION_DEVIATION = 0.02  # as in ViT (Dosovitskiy et al. 2021)


class Block(nn.Module):
    """Pre-norm transformer block: x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.project = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, MLP_RATIO * dim), nn.GELU(), nn.Linear(MLP_RATIO * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        """(N,tokens,dim) to the same."""
        x = x + self._attend(self.norm1(x))
        return x + self.mlp(self.norm2(x))

    def _attend(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind()
        return self.project(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Encoder(nn.Module):
    """Spatiotemporal positions, global self-attention over all tokens, and token folding back to maps."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        grid = -(-config.size // config.patch)
        self.space = nn.Parameter(torch.randn(1, config.dim, grid, grid) * POSITION_DEVIATION)
        self.modality = nn.Parameter(torch.randn(MODALITIES, config.dim, 1, 1) * POSITION_DEVIATION)
        self.blocks = nn.Sequential(*(Block(config.dim, config.heads) for _ in range(config.depth)))
        self.norm = nn.LayerNorm(config.dim)

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Three maps (N,dim,gy,gx) on one grid to the same; positions are interpolated to another grid."""
        grid = maps[0].shape[-2:]
        space: Tensor = self.space
        if space.shape[-2:] != grid:
            space = F.interpolate(space, grid, mode="bicubic", align_corners=False)
        placed = [x + space + modality for x, modality in zip(maps, self.modality, strict=True)]
        tokens = torch.cat([x.flatten(2) for x in placed], dim=2).transpose(1, 2)
        tokens = self.norm(self.blocks(tokens))
        return tuple(x.unflatten(2, grid) for x in tokens.transpose(1, 2).chunk(MODALITIES, dim=2))
