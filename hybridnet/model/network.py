"""`HybridNet`: two STMs on one side of the bridge, the conventional network on the other."""

from torch import Tensor, nn

from hybridnet.model.config import ModelConfig
from hybridnet.model.encoder import Encoder
from hybridnet.model.mixer import RRDB, Mixer
from hybridnet.model.spatial import SpatialModulator
from hybridnet.model.temporal import STM

MOTION_CHANNELS = 2
RESIDUAL_CHANNELS = 3
# Chosen so that an untrained net spikes at a few percent on P-frames: vectors of a few of 20 pixels, in blocks;
# residuals of a few grey levels, with edges of some tens.
MOTION_GAIN = 3.0
RESIDUAL_GAIN = 9.0


class Conventional(nn.Module):
    """Everything behind the bridge: real-valued, exported to ONNX as one graph."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.spatial = SpatialModulator(config)
        self.encoder = Encoder(config)
        self.mixer = Mixer(config)
        self.rrdb = RRDB(config.rrdb_channels, config.rrdb_growth)
        self.head = nn.Linear(config.rrdb_channels, config.classes)

    def forward(self, iframe: Tensor, motion_potential: Tensor, residual_potential: Tensor) -> Tensor:
        """Logits (N,classes) from the I-frame (N,3,S,S), RGB 0..255, and the potentials (N,C,h,w), real units.

        All float32. S need not be the config's nor a multiple of the patch.
        """
        potentials = (motion_potential, residual_potential)
        maps = self.encoder(self.spatial(iframe, *potentials))
        features = self.rrdb(self.mixer(maps, potentials))
        return self.head(features.mean(dim=(2, 3)))


class HybridNet(nn.Module):
    """The paper's network. Parameters start from torch's global generator; seed it for a repeatable start."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.motion = STM(MOTION_CHANNELS, config, MOTION_GAIN)
        self.residual = STM(RESIDUAL_CHANNELS, config, RESIDUAL_GAIN)
        self.conventional = Conventional(config)

    def potentials(self, motion: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
        """What crosses the bridge: (motion, residual) potentials, float32 (N,C,h,w), real units.

        motion (N,T,2,S,S) and residual (N,T,3,S,S) are float32 holding integers of -127..127, else HybridnetError.
        """
        return self.motion(motion), self.residual(residual)

    def forward(self, iframe: Tensor, motion: Tensor, residual: Tensor) -> Tensor:
        """Logits (N,classes) from the I-frame float32 (N,3,S,S), 0..255, and P-frames as `potentials` takes them."""
        return self.conventional(iframe, *self.potentials(motion, residual))

    def real(self, iframe: Tensor, motion: Tensor, residual: Tensor) -> Tensor:
        """What `forward` gives, of the float model: STMs with nothing quantised or rounded, see `STM.run_real`."""
        return self.conventional(iframe, self.motion.run_real(motion)[0], self.residual.run_real(residual)[0])
