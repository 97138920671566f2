"""A running network of Lava's: started once, fed frame by frame, stopped on every path."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from hybridnet.errors import BackendError
from hybridnet.processes import deaf_children
from hybridnet.spiking import DECAY_UNITY, SpikingGraph
from simulators.lava_guard import starting
from simulators.lava_network import network_of

Frame = tuple[np.ndarray, np.ndarray | None]  # one layer's spikes and potential as Lava has them, (W,H,C) or (N,)

_CHANNEL_SLOTS = 2  # frames held between two processes; Lava's default of 64 takes gigabytes
_POLL_SECONDS = 0.0005


@contextmanager
def running(
    graph: SpikingGraph, steps: int, every_potential: bool, reset_interval: int | None, stock: bool
) -> Iterator["Network"]:
    """Lava's network of the graph, for inputs of `steps` frames; when the block ends, however, none of it is left.

    every_potential   potentials come from every layer, or from the last alone
    reset_interval    steps from rest to rest within an input, or None
    stock             Lava's own Conv model instead of the faster one
    """
    from lava.magma.core.process.process import ProcessServer

    known = len(ProcessServer().processes)
    network = Network(graph, steps, every_potential, reset_interval)
    try:
        with starting():
            network.start(stock)
        yield network
    finally:
        with deaf_children():  # for what it does to Ctrl-C here: half a stop would leave something behind
            network.stop()
            del ProcessServer().processes[known:]  # it would hold every network for ever


class Network:
    """netx's network with a way in for frames and, per layer, ways out for spikes and potentials."""

    def __init__(self, graph: SpikingGraph, steps: int, every_potential: bool, reset_interval: int | None) -> None:
        from lava.proc.io.extractor import Extractor
        from lava.proc.io.injector import Injector

        from simulators.lava_processes.taps import StateTap

        self._graph = graph
        self._drain = sum(layer.kind not in ("input", "flatten") for layer in graph.layers)  # a step per synapse
        self._length = steps + self._drain
        interval = reset_interval or self._length
        self._period = -(-self._length // interval) * interval  # an input begins where a reset does
        self._network = network_of(graph, interval)
        self._played = 0
        blocks = self._network.layers
        self._early = len(blocks) - self._drain  # steps: 1 behind an input layer
        self._biases = _held_back(graph, blocks, self._early)
        driven = graph.layers[0].kind == "input"
        if driven:  # a * 64 is what a bias * 64 is, and may differ from frame to frame; no current is kept
            blocks[0].neuron.du.init = DECAY_UNITY - 1
        entry = blocks[0].neuron.a_in if driven else self._network.inp
        self._source = Injector(shape=_size(entry), buffer_size=_CHANNEL_SLOTS)
        self._source.out_port.connect(entry)
        self._spikes = [Extractor(shape=_size(block.out), buffer_size=_CHANNEL_SLOTS) for block in blocks]
        for block, tap in zip(blocks, self._spikes, strict=True):
            block.out.connect(tap.in_port)
        tapped = blocks if every_potential else blocks[-1:]
        if graph.layers[-1].graded:  # its spikes are its potential
            tapped = [block for block in tapped if block is not blocks[-1]]
        self._potentials = [StateTap(b.neuron.v, _CHANNEL_SLOTS) if b in tapped else None for b in blocks]

    def delay(self, layer: int) -> int:
        """Steps from a frame's going in to the answer of the layer (from 0)."""
        return 1 + layer - self._early

    def start(self, stock: bool) -> None:
        """Compile the network and start its processes."""
        from lava.magma.core.run_configs import Loihi2SimCfg
        from lava.proc.conv.process import Conv
        from lava.proc.io.extractor import Extractor
        from lava.proc.io.injector import Injector

        from simulators.lava_processes import conv, taps

        config = Loihi2SimCfg(
            select_tag="fixed_pt",
            exception_proc_model_map={
                Conv: conv.StockConvModel if stock else conv.MatrixConvModel,
                Injector: taps.IntegerInjectorModel,  # its own models carry no tag to select by
                Extractor: taps.IntegerExtractorModel,
            },
        )
        with _errors(self), _old_habits():  # the processes inherit what is filtered
            self._network.create_runtime(config, compile_config={"pypy_channel_size": _CHANNEL_SLOTS})

    def play(self, x: np.ndarray) -> Iterator[list[Frame]]:
        """Feed frames (T,C,H,W) or (T,N); yield what every layer has after each step, from the first on, until the
        last layer has answered the last frame.
        """
        flat = x.reshape(len(x), -1) if self._graph.layers[0].kind == "flatten" else x
        nothing = np.zeros(_size(self._source.out_port), np.int32)
        idle = -self._played % self._period
        count = idle + len(x) + self._drain
        self._played += count

        def frame(step: int) -> np.ndarray:
            return flat[step - idle].T.astype(np.int32) if 0 <= step - idle < len(x) else nothing

        with _errors(self):
            for step, answers in enumerate(self._steps(frame, count)):
                if step >= idle:
                    yield answers

    def _steps(self, frame: Callable[[int], np.ndarray], count: int) -> Iterator[list[Frame]]:
        """Play so many frames; the next one goes in before this one's answers come out."""
        from lava.magma.core.run_conditions import RunSteps

        at_once = 1 if self._biases else count
        for step in range(count):
            if step % at_once == 0:
                for bias, values in self._biases.get(step + 1, ()):
                    bias.set(values)
                self._network.run(RunSteps(at_once, blocking=False))
                self._source.send(frame(step))
            if (step + 1) % at_once:
                self._source.send(frame(step + 1))
            yield [self._receive(*taps) for taps in zip(self._spikes, self._potentials, strict=True)]
            if (step + 1) % at_once == 0:
                self._await(*self._network.runtime.service_to_runtime)
                self._network.wait()

    def _receive(self, spikes: Any, potential: Any) -> Frame:
        ports = [tap.out_port.external_pipe_csp_recv_port for tap in (spikes, potential) if tap]
        self._await(*ports)
        received = [port.recv() for port in ports]
        if potential:
            return received[0], received[1]
        if self._graph.layers[-1].graded and spikes is self._spikes[-1]:
            return np.zeros_like(received[0]), received[0]
        return received[0], None

    def _await(self, *ports: Any) -> None:
        """Wait for messages; RuntimeError if a process of Lava's dies, for which Lava itself would wait for ever."""
        while not all(port.probe() for port in ports):
            if not all(actor.is_alive() for actor in self._actors()):
                raise RuntimeError("a process ended early")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """End all processes and threads, and free the shared memory between them.

        Nothing that the processes hold is wanted any more, and to ask them to end, as Lava does, is to wait for ever if
        one of them is dead, or if nothing was played.
        """
        runtime = self._network.runtime
        for actor in self._actors():
            if not actor._is_done and actor.is_alive():
                actor.kill()
        if runtime:
            runtime._is_started = False
            runtime.join()  # ends the threads of its ports
        self._network.stop()
        for pipe in self._pipes():
            pipe.join()
            pipe.thread.join()

    def cause(self, error: Exception) -> str:
        """What went wrong in a Lava process, which Lava itself only logs."""
        causes = [actor.exception[0] for actor in self._actors() if actor.exception]
        return repr(causes[0] if causes else error)

    def _pipes(self) -> list[Any]:
        """The ways in and out as far as they are open; Lava itself never closes them."""
        pipes = [getattr(self._source.in_port, "external_pipe_csp_send_port", None)]
        taps = (*self._spikes, *filter(None, self._potentials))
        pipes += [getattr(tap.out_port, "external_pipe_csp_recv_port", None) for tap in taps]
        return [pipe for pipe in pipes if pipe]

    def _actors(self) -> list[Any]:
        infrastructure = self._network.runtime and self._network.runtime._messaging_infrastructure
        return infrastructure.actors if infrastructure else []


@contextmanager
def _errors(network: Network) -> Iterator[None]:
    """Whatever Lava raises as BackendError."""
    try:
        yield
    except Exception as error:
        raise BackendError(f"lava: {network.cause(error)}; use backend='integer'") from error


def _size(port: Any) -> tuple[int, ...]:
    return tuple(int(size) for size in port.shape)


def _held_back(graph: SpikingGraph, blocks: list[Any], early: int) -> dict[int, list[tuple[Any, np.ndarray]]]:
    """Take the biases of a graph with delays away, and give them by the Lava step at which each is to be set.

    Driven by its bias a layer spikes while the pipeline fills, and a delay would carry that past the next one's reset.
    """
    held: dict[int, list[tuple[Any, np.ndarray]]] = {}
    if any(layer.delay is not None for layer in graph.layers):
        for step, block in enumerate(blocks, start=2 - early):
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
