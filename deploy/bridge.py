"""The bridge: where analog membrane potentials leave the spiking side and enter the conventional one."""

from dataclasses import dataclass

import numpy as np

from hybridnet.errors import BundleError
from hybridnet.spiking import POTENTIAL_UNITS, SpikingGraph

POTENTIAL_BITS = 24  # signed, the width of v in Lava's fixed_pt and of a graded payload on Loihi 2


@dataclass(frozen=True)
class Port:
    """One crossing from the spiking to the conventional side.

    name     the ONNX input it feeds, e.g. "motion_potential"
    stream   the spiking stream it leaves, e.g. "motion"
    shape    (C,H,W) of the readout
    bits     width of the signed integer that crosses: 24, so -(2^23 - 1) .. 2^23 - 1
    scale    real value of one unit: potential = v * scale (Q-format: the readout's weight scale / 64)
    step     the step after which v is sampled, counted from 1: the last P-frame
    phase    "after reset": where in the step; a readout never spikes, so before and after are one
    reset    "per clip": v starts at zero with each clip
    """

    name: str
    stream: str
    shape: tuple[int, ...]
    bits: int
    scale: float
    step: int
    phase: str = "after reset"
    reset: str = "per clip"

    @property
    def bytes_per_clip(self) -> int:
        """Bytes that cross for one clip, potentials packed at `bits` bits."""
        return int(np.prod(self.shape)) * self.bits // 8

    def to_real(self, potential: np.ndarray) -> np.ndarray:
        """Integer potentials int32 (..., C,H,W) to the float32 the conventional side reads, in real units.

        One float32 multiplication, the same the torch model does, so both give the same bits.
        """
        if potential.shape[-len(self.shape) :] != self.shape:
            raise BundleError(f"port {self.name}: potential of shape {potential.shape} must end in {self.shape}")
        return potential.astype(np.float32) * np.float32(self.scale)


def port_of(stream: str, graph: SpikingGraph) -> Port:
    """The port behind the readout of a stream's graph."""
    return Port(
        name=f"{stream}_potential",
        stream=stream,
        shape=graph.output_shape,
        bits=POTENTIAL_BITS,
        scale=graph.layers[-1].scale / POTENTIAL_UNITS,
        step=graph.steps,
    )
