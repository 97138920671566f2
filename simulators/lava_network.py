"""Building Lava's network of a graph: netx reads the .net file, and neurons of this toolkit's own take their places."""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from hybridnet.spiking import THRESHOLD_LIMIT, SpikingGraph
from simulators.lava_import import import_lava, replaced
from simulators.netfile import PROCESSES, net_bytes

_GRADED_BITS = 24  # netx only asks whether messages have bits at all; 24 hold any input
_NEVER = 2**31 - 1  # a step that no run reaches: for neurons that netx asks no reset of


def netx_network(path: str | os.PathLike[str], **options: Any) -> Any:
    """`lava.lib.dl.netx.hdf5.Network(path, **options)`, for .net files too that need `simulators.lava_processes`.

    BackendError if Lava cannot be imported.
    """
    import_lava()
    from lava.lib.dl.netx.hdf5 import Network

    from simulators.lava_processes import neurons

    stock = Network.get_neuron_params

    def get_neuron_params(fields: Any, *, reset_interval: int | None = None, **others: Any) -> Any:
        process = PROCESSES.get(fields["type"])
        if process is None:
            return stock(fields, reset_interval=reset_interval, **others)
        known = {name: fields[name] for name in ("iDecay", "vDecay", "vThMant")} | {"type": "CUBA"}
        params = stock(known, reset_interval=_NEVER if reset_interval is None else reset_interval, **others)
        return params | {"neuron_proc": getattr(neurons, process)}

    with (
        replaced(Network, "get_neuron_params", staticmethod(get_neuron_params)),
        np.errstate(divide="ignore"),  # netx divides by the largest weight
    ):
        network = Network(str(path), **options)
    network.net_config.f.close()
    return network


def network_of(graph: SpikingGraph, reset_interval: int) -> Any:
    """netx's network of a graph, layer i at rest before its own first frame and every `reset_interval` steps on."""
    driven = graph.layers[0].kind == "input"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.net"
        path.write_bytes(net_bytes(graph))
        network = netx_network(
            path,
            input_message_bits=0 if graph.input_bits == 1 else _GRADED_BITS,
            reset_interval=reset_interval,
            reset_offset=0 if driven else 1,  # that is Lava step 2 + i, or 1 + i
        )
    if graph.layers[-1].threshold is None:
        network.layers[-1].neuron.vth.init = THRESHOLD_LIMIT + 1  # 131071 * 64 is 63 short of the clip: it could fire
    return network
