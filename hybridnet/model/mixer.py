"""The Multi-Modal Mixer and the residual in residual dense block (the paper's section 3.3)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hybridnet.model.config import ModelConfig
from hybridnet.model.encoder import MODALITIES

STREAMS = 2  # motion and residual
DENSE_BLOCKS = 3
DENSE_CONVS = 5
RESIDUAL_SCALE = 0.2
SLOPE = 0.2
INITIAL_SHRINK = 0.1  # ESRGAN starts its residual branches small


class ConvFolding(nn.Module):
    """Halves a map by an overlapping 3x3 convolution, with a 1x1 skip connection beside it."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.fold = nn.Sequential(
            nn.Conv2d(in_channels, channels, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(channels), nn.GELU()
        )
        self.skip = nn.Sequential(nn.Conv2d(in_channels, channels, 1, stride=2, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N,in_channels,g,g) to (N,channels,ceil(g/2),ceil(g/2))."""
        return self.fold(x) + self.skip(x)


class Mixer(nn.Module):
    """Conv Folding of each modality's map, then Conv Fusion with the STMs' low-level maps after channel mixing."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        folded = config.fold_channels
        self.folding = nn.ModuleList(ConvFolding(config.dim, folded) for _ in range(MODALITIES))
        self.mixing = nn.ModuleList(nn.Conv2d(config.stm_channels, folded, 1) for _ in range(STREAMS))
        self.fusion = nn.Conv2d((MODALITIES + STREAMS) * folded, config.rrdb_channels, 1)

    def forward(self, maps: tuple[Tensor, ...], potentials: tuple[Tensor, ...]) -> Tensor:
        """Maps (N,dim,g,g) per modality and potentials (N,C,h,w) per stream to (N,rrdb_channels,f,f), f = ceil(g/2)."""
        folded = [fold(x) for fold, x in zip(self.folding, maps, strict=True)]
        grid = folded[0].shape[-2:]
        mixed = [mix(F.adaptive_avg_pool2d(v, grid)) for mix, v in zip(self.mixing, potentials, strict=True)]
        return self.fusion(torch.cat(folded + mixed, dim=1))


class DenseBlock(nn.Module):
    """ESRGAN's dense block (Wang et al. 2018): five 3x3 convolutions, each reading all that came before it."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        outputs = [growth] * (DENSE_CONVS - 1) + [channels]
        self.convs = nn.ModuleList(nn.Conv2d(channels + i * growth, out, 3, padding=1) for i, out in enumerate(outputs))
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            else:
                nn.init.kaiming_normal_(parameter, a=SLOPE)
                parameter.data.mul_(INITIAL_SHRINK)

    def forward(self, x: Tensor) -> Tensor:
        """(N,channels,h,w) to the same: x + 0.2 * convolved(x)."""
        known = [x]
        for conv in self.convs[:-1]:
            known.append(F.leaky_relu(conv(torch.cat(known, dim=1)), SLOPE))
        return x + RESIDUAL_SCALE * self.convs[-1](torch.cat(known, dim=1))


class RRDB(nn.Module):
    """Residual in residual dense block: x + 0.2 * (three dense blocks of x)."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(DenseBlock(channels, growth) for _ in range(DENSE_BLOCKS)))

    def forward(self, x: Tensor) -> Tensor:
        """(N,channels,h,w) to the same."""
        return x + RESIDUAL_SCALE * self.blocks(x)
