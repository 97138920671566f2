"""The Multi-Modal Mixer (the paper's section 3.3), and what is left without it."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hybridnet.model.config import ModelConfig
from hybridnet.model.front import Front


class ConvFolding(nn.Module):
    """Halves a map by an overlapping 3x3 convolution, with a 1x1 skip connection beside it if there are `skips`."""

    def __init__(self, in_channels: int, channels: int, skips: bool) -> None:
        super().__init__()
        self.fold = nn.Sequential(
            nn.Conv2d(in_channels, channels, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(channels), nn.GELU()
        )
        skip = nn.Sequential(nn.Conv2d(in_channels, channels, 1, stride=2, bias=False), nn.BatchNorm2d(channels))
        self.skip = skip if skips else None

    def forward(self, x: Tensor) -> Tensor:
        """(N,in_channels,g,g) to (N,channels,ceil(g/2),ceil(g/2))."""
        return self.fold(x) if self.skip is None else self.fold(x) + self.skip(x)


class Mixer(nn.Module):
    """Conv Folding of each modality's map, then Conv Fusion with the streams' low-level maps after channel mixing.

    Its skip connections are those of Conv Folding, and the low-level maps' way past the transformer.
    """

    def __init__(self, config: ModelConfig, fronts: Mapping[str, Front]) -> None:
        """`fronts` are those of the streams' modulators, by stream."""
        super().__init__()
        folded, modalities = config.fold_channels, config.reads_iframe + len(fronts)
        self.folding = nn.ModuleList(ConvFolding(config.dim, folded, config.skips) for _ in range(modalities))
        self.mixing = nn.ModuleList(nn.Conv2d(f.channels, folded, 1) for f in fronts.values() if config.skips)
        self.fusion = nn.Conv2d((modalities + len(self.mixing)) * folded, config.rrdb_channels, 1)

    def forward(self, maps: tuple[Tensor, ...], potentials: tuple[Tensor, ...]) -> Tensor:
        """Maps (N,dim,g,g) per modality and potentials (N,C,h,w) per stream to (N,rrdb_channels,f,f), f = ceil(g/2)."""
        folded = [fold(x) for fold, x in zip(self.folding, maps, strict=True)]
        grid = folded[0].shape[-2:]
        mixed = [mix(F.adaptive_avg_pool2d(v, grid)) for mix, v in zip(self.mixing, potentials, strict=False)]
        return self.fusion(torch.cat(folded + mixed, dim=1))


class NoMixer(nn.Module):
    """The maps side by side, halved by averaging so that what follows costs the same, and made as wide as it wants."""

    def __init__(self, config: ModelConfig, fronts: Mapping[str, Front]) -> None:
        super().__init__()
        self.widen = nn.Conv2d((config.reads_iframe + len(fronts)) * config.dim, config.rrdb_channels, 1)

    def forward(self, maps: tuple[Tensor, ...], potentials: tuple[Tensor, ...]) -> Tensor:
        """As `Mixer.forward`; the potentials are not read."""
        height, width = maps[0].shape[-2:]
        return self.widen(F.adaptive_avg_pool2d(torch.cat(maps, dim=1), (-(-height // 2), -(-width // 2))))


MIXERS: dict[bool, type[Mixer | NoMixer]] = {True: Mixer, False: NoMixer}
