"""The Lava backend: the graph as Lava's own processes, built by netx from the graph's .net file (lava-nc 0.10.0).

Each synapse delays by one step, so layer i (from 0) answers frame k at Lava step k + 2 + i (from 1), and T frames
through L layers take T + L steps. Every layer is reset at its own first frame: until then a bias would integrate.

Lava agrees with the engine to the bit within limits of its own, which are checked before anything starts: a Dense
holds weights of -256..254 (odd ones too: netx scales them so that no low bit is dropped), but alters some if none is
positive; sums have 32 bits and a bias 16.
"""

import tempfile
import time
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hybridnet.errors import BackendError, GraphError
from hybridnet.spiking import THRESHOLD_LIMIT, Layer, Shape, SpikingGraph
from hybridnet.trace import Trace
from simulators.lava_import import import_lava
from simulators.netfile import net_bytes

Frame = tuple[np.ndarray, np.ndarray | None]  # one layer's spikes and potential as Lava has them, (W,H,C) or (N,)

_GRADED_BITS = 24  # netx only asks whether messages have bits at all; 24 hold any input
_CHANNEL_SLOTS = 2  # frames held between two processes; Lava's default of 64 takes gigabytes
_POLL_SECONDS = 0.001
_SUM_LIMIT = 2**31
_BIAS_LIMIT = 2**15 - 1


def run(graph: SpikingGraph, x: np.ndarray, record: Collection[str]) -> Trace:
    """Play checked integer input through Lava's fixed_pt processes, from rest; see `simulators.simulate`.

    GraphError if netx or Lava cannot hold the graph exactly; BackendError if Lava fails while it runs.
    """
    import_lava()
    layers = list(graph.neuron_layers())
    for layer, _, _, limit in layers:
        _check_layer(layer, limit)
    fan_outs = [_fan_out(layer, source, shape) for layer, source, shape, _ in layers]
    shapes = {layer.name: shape for layer, _, shape, _ in layers}
    steps, last = len(x), len(layers) - 1
    sent = {name: np.empty((steps, *shape), bool) for name, shape in shapes.items() if "spikes" in record}
    held = {name: np.empty((steps, *shape), np.int32) for name, shape in shapes.items() if "v" in record}
    counts = {name: np.zeros(steps, np.int64) for name in shapes}
    events = {name: np.zeros(steps, np.int64) for name in shapes}
    events[next(iter(shapes))][:] = [_events(frame, fan_outs[0]) for frame in x]
    potential = np.zeros(graph.output_shape, np.int32)
    with _running(graph, x, every_potential="v" in record) as play_step:
        for step in range(1, steps + len(layers) + 1):
            for i, (name, (spikes, v)) in enumerate(zip(shapes, play_step(), strict=True)):
                t = step - 2 - i
                if not 0 <= t < steps:
                    continue
                fired = _chw(spikes) != 0
                counts[name][t] = np.count_nonzero(fired)
                if i < last:
                    events[layers[i + 1][0].name][t] = _events(fired, fan_outs[i + 1])
                if name in sent:
                    sent[name][t] = fired
                if v is not None and name in held:
                    held[name][t] = _chw(v)
                if v is not None and i == last:
                    potential[:] = _chw(v)
    return Trace(
        backend="lava",
        potential=potential,
        spikes=sent,
        v=held,
        spike_counts=counts,
        events=events,
        updates={name: int(np.prod(shape)) * steps for name, shape in shapes.items()},
        overflows={},
    )


@contextmanager
def _running(graph: SpikingGraph, x: np.ndarray, every_potential: bool) -> Iterator[Callable[[], list[Frame]]]:
    """Lava's network of the graph, fed with x; gives a function that plays one step and returns every layer's frame.

    Potentials come from every layer or from the last alone. When the block ends, however it ends, no process of
    Lava's is left.
    """
    from lava.lib.dl import netx
    from lava.magma.core.process.process import ProcessServer
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.conv.process import Conv
    from lava.proc.io.extractor import Extractor, PyLoihiExtractorModel, PyLoihiVarWireModel, VarWire
    from lava.proc.io.source import RingBuffer

    known = len(ProcessServer().processes)
    length = len(x) + sum(layer.kind != "flatten" for layer in graph.layers)
    with tempfile.TemporaryDirectory() as folder, np.errstate(divide="ignore"):  # netx divides by the largest weight
        path = Path(folder) / "graph.net"
        path.write_bytes(net_bytes(graph))
        network = netx.hdf5.Network(
            str(path),
            input_message_bits=0 if graph.input_bits == 1 else _GRADED_BITS,
            reset_interval=length + 1,  # once: layer i at Lava step 2 + i, its first frame
            reset_offset=1,
        )
    blocks = network.layers
    if graph.layers[-1].threshold is None:
        blocks[-1].neuron.vth.init = THRESHOLD_LIMIT + 1  # 131071 * 64 is 63 short of the clip: it could fire
    source = RingBuffer(data=_ring(graph, x, length))
    source.s_out.connect(network.inp)
    spike_taps, wires = [], []
    try:
        for block in blocks:
            tap = Extractor(shape=tuple(int(size) for size in block.out.shape), buffer_size=_CHANNEL_SLOTS)
            block.out.connect(tap.in_port)
            spike_taps.append(tap)
            if every_potential or block is blocks[-1]:
                wires.append(VarWire(buffer_size=_CHANNEL_SLOTS))
                wires[-1].connect_var(block.neuron.v)
        config = Loihi2SimCfg(
            select_tag="fixed_pt",
            exception_proc_model_map={
                Extractor: PyLoihiExtractorModel,  # the models of taps carry no tag to select by
                VarWire: PyLoihiVarWireModel,
                Conv: _wide_conv_model(),
            },
        )

        def play_step() -> list[Frame]:
            try:
                with _old_habits():  # the first run forks, and the processes inherit what is filtered
                    network.run(RunSteps(1, blocking=False), config, {"pypy_channel_size": _CHANNEL_SLOTS})
                _wait(network)
            except Exception as error:
                raise BackendError(f"lava: {_cause(network, error)}; use backend='integer'") from error
            spikes = [tap.receive() for tap in spike_taps]
            potentials = [None] * (len(blocks) - len(wires)) + [wire.receive() for wire in wires]
            return list(zip(spikes, potentials, strict=True))

        yield play_step
    except BaseException:
        _kill(network)
        raise
    finally:
        network.stop()
        for wire in wires:
            wire._multi_processing.stop()  # a wire's shared memory has a server process of its own
        del ProcessServer().processes[known:]  # it would hold every network and its input for ever


@contextmanager
def _old_habits() -> Iterator[None]:
    """Without the warnings about what an archived Lava does: numpy's old name of an argument, forking with threads."""
    with warnings.catch_warnings():
        for message in ("`newshape` keyword argument", ".*use of fork"):
            warnings.filterwarnings("ignore", message, DeprecationWarning)
        yield


def _wide_conv_model() -> type:
    """Lava's fixed_pt Conv with its geometry in 32 bits: in its own 8, NumPy 2 refuses input wider than 127."""
    from lava.magma.core.model.py.type import LavaPyType
    from lava.proc.conv.models import PyConvModelFixed

    geometry = ("kernel_size", "stride", "padding", "dilation", "groups")
    return type("WideConvModel", (PyConvModelFixed,), {name: LavaPyType(np.ndarray, np.int32) for name in geometry})


def _wait(network: Any) -> None:
    """Wait for the step to end; RuntimeError if a process of Lava's dies, for which Lava itself would wait for ever."""
    while not all(port.probe() for port in network.runtime.service_to_runtime):
        if not all(actor.is_alive() for actor in _actors(network)):
            raise RuntimeError("a process ended early")
        time.sleep(_POLL_SECONDS)
    network.wait()


def _actors(network: Any) -> list[Any]:
    infrastructure = network.runtime and network.runtime._messaging_infrastructure
    return infrastructure.actors if infrastructure else []


def _kill(network: Any) -> None:
    """End what a failed run leaves: after an error `stop` would wait for answers that nobody sends."""
    for actor in _actors(network):
        if not actor._is_done and actor.is_alive():
            actor.kill()
    if network.runtime:
        network.runtime._is_started = False


def _cause(network: Any, error: Exception) -> str:
    """What went wrong in a Lava process, which Lava itself only logs."""
    causes = [actor.exception[0] for actor in _actors(network) if actor.exception]
    return repr(causes[0] if causes else error)


def _check_layer(layer: Layer, limit: int) -> None:
    """Refuse what Lava would compute differently, though netx loads it."""
    if layer.bias is not None and (worst := int(np.abs(layer.bias).max())) > _BIAS_LIMIT:
        raise GraphError(f"layer {layer.name}: bias {worst} is beyond {_BIAS_LIMIT}, Lava's 16 bits; make it smaller")
    reach = layer.reach(limit)
    if layer.kind == "dense":
        reach <<= _dense_shift(layer)
    if reach >= _SUM_LIMIT:
        raise GraphError(
            f"layer {layer.name}: inputs can sum to {reach}, beyond the {_SUM_LIMIT} that Lava holds; "
            "use smaller weights, fewer input bits or backend='integer'"
        )


def _dense_shift(layer: Layer) -> int:
    """Bits by which netx scales a dense layer's weights up; GraphError if Lava would then change any of them."""
    from lava.lib.dl.netx.utils import optimize_weight_bits
    from lava.utils.weightutils import clip_weights, determine_sign_mode, truncate_weights

    lowest, highest = int(layer.weight.min()), int(layer.weight.max())
    if lowest == highest == 0:
        raise GraphError(f"layer {layer.name}: netx cannot load a dense weight that is all zero; drop the layer")
    for value in (lowest, highest):
        if not -256 <= value <= (254 if lowest < 0 else 255):
            raise GraphError(
                f"layer {layer.name}: weight {value} is beyond Lava's Dense; use -256..254 or backend='integer'"
            )
    with np.errstate(divide="ignore"):  # netx divides by the largest weight, which may be 0
        scaled, bits, exponent, _ = optimize_weight_bits(layer.weight)
    mode = determine_sign_mode(scaled)
    changed = truncate_weights(clip_weights(scaled, mode, num_bits=8), mode, bits) != scaled
    if changed.any():  # netx and lava-nc disagree on the sign mode or on the range of such weights
        raise GraphError(
            f"layer {layer.name}: weight {layer.weight[changed][0]} is altered by Lava's Dense, as none is positive; "
            "make one positive or use backend='integer'"
        )
    return -exponent


def _fan_out(layer: Layer, source: Shape, shape: Shape) -> np.ndarray:
    """Synapses that one input element reaches: (H,W) of a conv, for any channel, or () of a dense."""
    if layer.kind == "dense":
        return np.array(len(layer.weight))
    reached = []
    for axis in (0, 1):
        position = np.arange(source[1 + axis])[:, None] + layer.padding[axis]
        offset = position - np.arange(layer.weight.shape[2 + axis]) * layer.dilation[axis]
        output = offset // layer.stride[axis]
        on_grid = offset % layer.stride[axis] == 0
        reached.append((on_grid & (output >= 0) & (output < shape[1 + axis])).sum(axis=1))
    return np.outer(*reached) * (len(layer.weight) // layer.groups)


def _events(frame: np.ndarray, fan_out: np.ndarray) -> int:
    """Synaptic events of one frame: its non-zero elements, each times the synapses it reaches."""
    active = np.count_nonzero(frame, axis=0 if fan_out.ndim else None)
    return int(np.sum(active * fan_out))


def _ring(graph: SpikingGraph, x: np.ndarray, length: int) -> np.ndarray:
    """x as Lava's source wants it: (W,H,C,time) or (N,time), zero after the last frame."""
    frames = x.reshape(len(x), -1) if graph.layers[0].kind != "conv" else x
    data = np.zeros((*frames.shape[:0:-1], length), np.int32)
    data[..., : len(x)] = frames.T
    return data


def _chw(frame: np.ndarray) -> np.ndarray:
    """(W,H,C) as (C,H,W), (N,) as it is."""
    return frame.T
