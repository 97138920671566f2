"""The neurons that stock Lava does not have: reset by subtraction, and a readout that sends its potential.

Both integrate as `AbstractPyLifModelFixed` does, the base of Lava's own bit-accurate LIF, and return to rest at a
fixed interval as LIFReset does. (The models of the stock processes cannot be subclassed for others: they are decorated
with the process that they implement.)
"""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.lif.models import AbstractPyLifModelFixed
from lava.proc.lif.process import LIFReset


class SubtractLIF(LIFReset):
    """LIFReset whose spike takes the threshold off v instead of clearing it: v[s] -= vth * 64."""


class PotentialReadout(LIFReset):
    """LIFReset that never spikes: what it sends is v after every step, a graded spike of 24 bits, sign included."""


class _PyResetModel(AbstractPyLifModelFixed):
    """The step of a stock LIFReset model."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    vth: int = LavaPyType(int, np.int32, precision=17)

    def __init__(self, proc_params: dict) -> None:
        super().__init__(proc_params)
        self.effective_vth = 0
        self.reset_interval = proc_params["reset_interval"]
        self.reset_offset = proc_params["reset_offset"] % self.reset_interval

    def scale_threshold(self) -> None:
        self.effective_vth = np.left_shift(self.vth, self.vth_shift)
        self.isthrscaled = True

    def run_spk(self) -> None:
        if self.time_step % self.reset_interval == self.reset_offset:
            self.u[:] = 0
            self.v[:] = 0
        super().run_spk()


@implements(proc=SubtractLIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PySubtractLifModel(_PyResetModel):
    """SubtractLIF, bit-accurate."""

    def spiking_activation(self) -> np.ndarray:
        return self.v > self.effective_vth

    def reset_voltage(self, spike_vector: np.ndarray) -> None:
        self.v[spike_vector] -= self.effective_vth


@implements(proc=PotentialReadout, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyPotentialReadoutModel(_PyResetModel):
    """PotentialReadout, bit-accurate."""

    def spiking_activation(self) -> np.ndarray:
        return self.v

    def reset_voltage(self, spike_vector: np.ndarray) -> None:
        """Nothing: what is sent is no spike."""
