"""The residual in residual dense block of ESRGAN (Wang et al. 2018), as the paper's section 3.3 uses it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DENSE_BLOCKS = 3
DENSE_CONVS = 5
RESIDUAL_SCALE = 0.2
SLOPE = 0.2
INITIAL_SHRINK = 0.1  # ESRGAN starts its residual branches small


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
