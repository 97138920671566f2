"""The Lava backend: the graph as Lava's own processes, built by netx from the graph's .net file (lava-nc 0.10.0).

Each synapse delays by one step, so layer i (from 0) answers frame k at Lava step k + 2 + i (from 1), and T frames
through L layers take T + L steps; an input layer has no synapse, so behind one everything is a step earlier. Every
layer is reset at its own first frame, for until then a bias would integrate, and then every `reset_interval` frames.

Lava agrees with the engine to the bit within limits of its own, which are checked before anything starts: a Dense
holds weights of -256..254 (odd ones too: netx scales them so that no low bit is dropped), but alters some if none is
positive; sums have 32 bits and a bias 16.
"""

import tempfile
import time
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from hybridnet.errors import BackendError
from hybridnet.processes import deaf_children
from hybridnet.spiking import DECAY_UNITY, THRESHOLD_LIMIT, SpikingGraph
from hybridnet.trace import Trace
from simulators.events import event_counter
from simulators.lava_import import import_lava
from simulators.lava_limits import check_delay, check_layer
from simulators.netfile import net_bytes

Frame = tuple[np.ndarray, np.ndarray | None]  # one layer's spikes and potential as Lava has them, (W,H,C) or (N,)

_GRADED_BITS = 24  # netx only asks whether messages have bits at all; 24 hold any input
_CHANNEL_SLOTS = 2  # frames held between two processes; Lava's default of 64 takes gigabytes
_POLL_SECONDS = 0.001


def run(graph: SpikingGraph, x: np.ndarray, record: Collection[str], reset_interval: int | None = None) -> Trace:
    """Play checked integer input through Lava's fixed_pt processes, from rest; see `simulators.simulate`.

    GraphError if netx or Lava cannot hold the graph exactly; BackendError if Lava fails while it runs.
    """
    import_lava()
    layers = list(graph.neuron_layers())
    for layer, _, _, limit in layers:
        check_layer(layer, limit)
        check_delay(layer, reset_interval, len(x))
    counters = [event_counter(layer, source, shape) for layer, source, shape, _ in layers]
    shapes = {layer.name: shape for layer, _, shape, _ in layers}
    steps, last = len(x), len(layers) - 1
    early = len(layers) - _synapses(graph)  # steps: 1 behind an input layer
    sent = {name: np.empty((steps, *shape), bool) for name, shape in shapes.items() if "spikes" in record}
    held = {name: np.empty((steps, *shape), np.int32) for name, shape in shapes.items() if "v" in record}
    counts = {name: np.zeros(steps, np.int64) for name in shapes}
    events = {name: np.zeros(steps, np.int64) for name in shapes}
    events[next(iter(shapes))][:] = [counters[0](frame) for frame in x]
    potential = np.zeros(graph.output_shape, np.int32)
    with _running(graph, x, "v" in record, reset_interval) as play_step:
        for step in range(1, steps + _synapses(graph) + 1):
            for i, (name, (spikes, v)) in enumerate(zip(shapes, play_step(), strict=True)):
                t = step - 2 - i + early
                if not 0 <= t < steps:
                    continue
                fired = _chw(spikes) != 0
                counts[name][t] = np.count_nonzero(fired)
                if i < last:
                    events[layers[i + 1][0].name][t] = counters[i + 1](fired)
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
        overflow_counts={},
    )


@contextmanager
def _running(
    graph: SpikingGraph, x: np.ndarray, every_potential: bool, reset_interval: int | None = None
) -> Iterator[Callable[[], list[Frame]]]:
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
    length = len(x) + _synapses(graph)
    driven = graph.layers[0].kind == "input"
    with tempfile.TemporaryDirectory() as folder, np.errstate(divide="ignore"):  # netx divides by the largest weight
        path = Path(folder) / "graph.net"
        path.write_bytes(net_bytes(graph))
        network = netx.hdf5.Network(
            str(path),
            input_message_bits=0 if graph.input_bits == 1 else _GRADED_BITS,
            reset_interval=reset_interval or length + 1,  # if never: once, layer i at its first frame
            reset_offset=0 if driven else 1,  # that is Lava step 2 + i, or 1 + i
        )
    blocks = network.layers
    if graph.layers[-1].threshold is None:
        blocks[-1].neuron.vth.init = THRESHOLD_LIMIT + 1  # 131071 * 64 is 63 short of the clip: it could fire
    biases = _held_back(graph, blocks)
    source = RingBuffer(data=_ring(graph, x, length))
    if driven:  # a * 64 is what a bias * 64 is, and may differ from frame to frame; no current is kept
        blocks[0].neuron.du.init = DECAY_UNITY - 1
        source.s_out.connect(blocks[0].neuron.a_in)
    else:
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

        steps = count(1)

        def play_step() -> list[Frame]:
            try:
                for bias, values in biases.get(next(steps), ()):
                    bias.set(values)
                with _old_habits(), deaf_children():  # the first run forks, and the processes inherit both
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


def _held_back(graph: SpikingGraph, blocks: list[Any]) -> dict[int, list[tuple[Any, np.ndarray]]]:
    """Take the biases of a graph with delays away, and give them by the Lava step at which each is to be set.

    Driven by its bias a layer spikes while the pipeline fills, and a delay would carry that past the next one's reset.
    """
    held: dict[int, list[tuple[Any, np.ndarray]]] = {}
    if any(layer.delay is not None for layer in graph.layers):
        first = 2 - len(blocks) + _synapses(graph)
        for step, block in enumerate(blocks, start=first):
            bias = block.neuron.bias_mant
            if np.any(bias.init):
                held.setdefault(step, []).append((bias, bias.init))
                bias.init = np.zeros_like(bias.init)
    return held


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


def _synapses(graph: SpikingGraph) -> int:
    """Layers with synapses: the steps that a frame takes to the last layer."""
    return sum(layer.kind not in ("input", "flatten") for layer in graph.layers)


def _ring(graph: SpikingGraph, x: np.ndarray, length: int) -> np.ndarray:
    """x as Lava's source wants it: (W,H,C,time) or (N,time), zero after the last frame."""
    frames = x.reshape(len(x), -1) if graph.layers[0].kind == "flatten" else x
    data = np.zeros((*frames.shape[:0:-1], length), np.int32)
    data[..., : len(x)] = frames.T
    return data


def _chw(frame: np.ndarray) -> np.ndarray:
    """(W,H,C) as (C,H,W), (N,) as it is."""
    return frame.T
