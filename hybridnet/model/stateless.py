"""No temporal model: the P-frames of a GOP side by side, as CoViAR's successors read them."""

from torch import Tensor, nn

from hybridnet.errors import HybridnetError
from hybridnet.model.config import ModelConfig
from hybridnet.model.front import Front
from hybridnet.model.quantisation import INPUT_LIMIT


class ParallelChannels(nn.Module):
    """Takes the place of an STM and keeps nothing: T P-frames of C channels become a map of T * C, within the gain."""

    def __init__(self, in_channels: int, config: ModelConfig, input_gain: float) -> None:
        super().__init__()
        self.input_gain = input_gain
        self.steps = config.steps
        self.front = Front(in_channels, config.steps * in_channels, 1, 1, 0)

    def forward(self, x: Tensor) -> Tensor:
        """(N,T*C,H,W) from x (N,T,C,H,W), integers of -127..127; HybridnetError unless T is the config's steps."""
        if x.shape[1] != self.steps:
            raise HybridnetError(f"model: {x.shape[1]} P-frames side by side must be the config's {self.steps} steps")
        return x.flatten(1, 2) * (self.input_gain / INPUT_LIMIT)

    def run(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """As `STM.run`; nothing spikes."""
        return self(x), []

    run_real = run  # it is a float model as it is
