"""Spatial modulators: patches become tokens by a learned convolution, at any resolution (the paper's section 3.2)."""

from collections.abc import Callable, Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from hybridnet.model.choices import Order
from hybridnet.model.config import ModelConfig
from hybridnet.model.front import Front
from hybridnet.video import STREAMS


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


class SpatialModulator(nn.ModuleDict):
    """Embeds each modality on one grid, one token per patch of the picture; an embedding per modality, by name."""

    def __init__(self, config: ModelConfig, fronts: Mapping[str, Front]) -> None:
        """`fronts` are those of the streams' modulators, by stream."""
        embeddings: dict[str, nn.Module] = {}
        if config.reads_iframe:
            embeddings["iframe"] = PatchEmbedding(3, config.dim, config.patch)
        for stream, front in fronts.items():
            embeddings[stream] = _EMBEDDINGS[config.order](config, stream, front)
        super().__init__(embeddings)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Maps (N,dim,g,g) from the I-frame (N,3,S,S), 0..255, if it is read, and a map (N,C,h,w) per stream."""
        named = zip(self.items(), inputs, strict=True)
        return tuple(embed(x / 127.5 - 1 if name == "iframe" else x) for (name, embed), x in named)


def _of_potentials(config: ModelConfig, stream: str, front: Front) -> nn.Module:
    return PatchEmbedding(front.channels, config.dim, config.patch // front.stride)


def _done_before(config: ModelConfig, stream: str, front: Front) -> nn.Module:
    """The modulator's own convolution was the patch embedding, so its potentials are the tokens."""
    return nn.Identity()


def _of_frames(config: ModelConfig, stream: str, front: Front) -> nn.Module:
    """Of single P-frames, (N * T,C,S,S) in -1..1."""
    return PatchEmbedding(STREAMS[stream], config.dim, config.patch)


_EMBEDDINGS: dict[Order, Callable[[ModelConfig, str, Front], nn.Module]] = {
    "T-LS-GS": _of_potentials,
    "LS-T-GS": _done_before,
    "LS-GS-T": _of_frames,
}
