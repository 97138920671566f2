"""What the tokens of the modalities go through: one transformer for all, or one for each (the paper's Table 4)."""

from typing import cast

import torch
from torch import Tensor, nn

from hybridnet.model.attention import Block, CrossBlock
from hybridnet.model.choices import EncoderKind
from hybridnet.model.config import ModelConfig

Tokens = tuple[Tensor, ...]  # (N,g * g,dim) per modality


class Unified(nn.Module):
    """All tokens in one sequence: global self-attention across modalities (the paper's section 3.3)."""

    def __init__(self, config: ModelConfig, modalities: int) -> None:
        super().__init__()
        self.stack = _stack(config)

    def forward(self, tokens: Tokens) -> Tokens:
        """To the same."""
        return self.stack(torch.cat(tokens, dim=1)).chunk(len(tokens), dim=1)


class Separate(nn.Module):
    """A transformer per modality; they meet in the mixer."""

    def __init__(self, config: ModelConfig, modalities: int) -> None:
        super().__init__()
        self.stacks = nn.ModuleList(_stack(config) for _ in range(modalities))

    def forward(self, tokens: Tokens) -> Tokens:
        """To the same."""
        return tuple(stack(x) for stack, x in zip(self.stacks, tokens, strict=True))


class CrossAttention(nn.Module):
    """A transformer per modality whose queries meet only the other modalities' tokens, of the same depth."""

    def __init__(self, config: ModelConfig, modalities: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            nn.ModuleList(CrossBlock(config.dim, config.heads) for _ in range(modalities)) for _ in range(config.depth)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(config.dim) for _ in range(modalities))

    def forward(self, tokens: Tokens) -> Tokens:
        """To the same."""
        for blocks in cast(list[nn.ModuleList], list(self.levels)):
            tokens = tuple(
                block(x, torch.cat(tokens[:i] + tokens[i + 1 :], dim=1))
                for i, (block, x) in enumerate(zip(blocks, tokens, strict=True))
            )
        return tuple(norm(x) for norm, x in zip(self.norms, tokens, strict=True))


def _stack(config: ModelConfig) -> nn.Sequential:
    return nn.Sequential(*(Block(config.dim, config.heads) for _ in range(config.depth)), nn.LayerNorm(config.dim))


TRANSFORMERS: dict[EncoderKind, type[Unified | Separate | CrossAttention]] = {
    "unified": Unified,
    "separate": Separate,
    "cross-attention": CrossAttention,
}
