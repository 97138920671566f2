"""From features on a grid to one vector for the classifier."""

import torch
from torch import Tensor, nn

from hybridnet.model.attention import Block
from hybridnet.model.choices import Pooling
from hybridnet.model.config import ModelConfig

TOKEN_DEVIATION = 0.02  # as in ViT


class GlobalAverage(nn.Module):
    """The mean over all places."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()

    def forward(self, features: Tensor) -> Tensor:
        """(N,C,h,w) to (N,C)."""
        return features.mean(dim=(2, 3))


class ClassToken(nn.Module):
    """A learned token that attends to all places in one transformer block, and is what is left of it."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, config.rrdb_channels) * TOKEN_DEVIATION)
        self.block = Block(config.rrdb_channels, config.heads)
        self.norm = nn.LayerNorm(config.rrdb_channels)

    def forward(self, features: Tensor) -> Tensor:
        """(N,C,h,w) to (N,C)."""
        places = features.flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(places.shape[0], -1, -1), places], dim=1)
        return self.norm(self.block(tokens)[:, 0])


POOLINGS: dict[Pooling, type[GlobalAverage | ClassToken]] = {"average": GlobalAverage, "class-token": ClassToken}
