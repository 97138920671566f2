"""How frames get into a running network and out of it, in 32-bit integers where Lava's own processes take float64."""

import numpy as np
from lava.magma.core.decorator import implements, requires
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort, PyRefPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import OutPort, RefPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.io.extractor import PyLoihiExtractorModel
from lava.proc.io.injector import PyLoihiInjectorModel


class IntegerInjectorModel(PyLoihiInjectorModel):
    """Lava's Injector in int32."""

    in_port: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    out_port: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __del__(self) -> None:
        """Nothing: what Lava's own joins here does not exist."""


class IntegerExtractorModel(PyLoihiExtractorModel):
    """Lava's Extractor in int32."""

    in_port: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    out_port: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)


class StateTap(AbstractProcess):
    """Sends a variable of another process out of Lava after every step, int32; frames wait in a channel of its own.

    Lava's VarWire does so in float64, through a server process per variable.
    """

    def __init__(self, variable: Var, buffer_size: int) -> None:
        super().__init__()
        self.state = RefPort(variable.shape)
        self.state.connect_var(variable)
        self.out_port = OutPort(variable.shape)
        self.out_port.flag_external_pipe(buffer_size=buffer_size)

    def receive(self) -> np.ndarray:
        """The oldest frame that was not received yet; waits for it."""
        return self.out_port.external_pipe_csp_recv_port.recv()


@implements(proc=StateTap, protocol=LoihiProtocol)
@requires(CPU)
class PyStateTapModel(PyLoihiProcessModel):
    """StateTap, which reads in the management phase, when the neurons have spiked and reset."""

    state: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)
    out_port: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def post_guard(self) -> bool:
        return True

    def run_post_mgmt(self) -> None:
        self.out_port.csp_ports[-1].send(self.state.read())
