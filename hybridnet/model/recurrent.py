"""A ConvLSTM in the place of an STM (Shi et al. 2015): every ConvLIF layer becomes a cell."""

import torch
from torch import Tensor, nn

from hybridnet.model.config import ModelConfig
from hybridnet.model.front import FRONTS
from hybridnet.model.neurons import KERNEL
from hybridnet.model.quantisation import INPUT_LIMIT

GATES = 4
INITIAL_FORGET = 1.0  # of the forget gate's bias: a cell that starts by remembering learns sooner


class Cell(nn.Module):
    """Shi's equation 3 without peepholes, so that one convolution reads input and state:

    i, f, o, g = input(x_t) + state(h_(t-1))
    c_t = sigmoid(f) * c_(t-1) + sigmoid(i) * tanh(g)
    h_t = sigmoid(o) * tanh(c_t)
    """

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: int, padding: int) -> None:
        super().__init__()
        self.input = nn.Conv2d(in_channels, GATES * channels, kernel, stride, padding)
        self.state = nn.Conv2d(channels, GATES * channels, KERNEL, padding=KERNEL // 2, bias=False)
        if self.input.bias is not None:
            nn.init.constant_(self.input.bias[channels : 2 * channels], INITIAL_FORGET)

    def forward(self, x: Tensor) -> Tensor:
        """h (T,N,channels,h,w) of every step, from rest, for x (T,N,in_channels,H,W)."""
        gates = self.input(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        h = c = gates.new_zeros(gates[0].chunk(GATES, dim=1)[0].shape)
        states = []
        for step in gates:
            i, f, o, g = (step + self.state(h)).chunk(GATES, dim=1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            states.append(h)
        return torch.stack(states)


class ConvLSTM(nn.Module):
    """Turns T frames into one map: the hidden state of the last cell after the last step.

    input_gain   times the input of -1..1, which its loops of sigmoids would take for nothing
    """

    def __init__(self, in_channels: int, config: ModelConfig, input_gain: float) -> None:
        super().__init__()
        self.input_gain = input_gain
        self.front = front = FRONTS[config.order](config, in_channels)
        width = front.channels
        self.cells = nn.Sequential(Cell(front.in_channels, width, front.kernel, front.stride, front.padding))
        for _ in range(config.stm_layers - 1):
            self.cells.append(Cell(width, width, KERNEL, 1, KERNEL // 2))

    def forward(self, x: Tensor) -> Tensor:
        """(N,channels,h,w), -1..1, from x (N,T,C,H,W), integers of -127..127."""
        return self.cells(self.front.whole(x).transpose(0, 1) * (self.input_gain / INPUT_LIMIT))[-1]

    def run(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """As `STM.run`; nothing spikes."""
        return self(x), []

    run_real = run  # it is a float model as it is
