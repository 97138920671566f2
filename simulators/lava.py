"""The Lava backend: the graph as Lava's own processes, built by netx from the graph's .net file (lava-nc 0.10.0).

Each synapse delays by one step, so layer i (from 0) answers frame k at Lava step k + 2 + i (from 1), and T frames
through L layers take T + L steps; an input layer has no synapse, so behind one everything is a step earlier. Every
layer is reset at its own first frame, for until then a bias would integrate. One network plays one input after the
other, T + L steps each, every layer at rest before its own first frame of each.

Lava agrees with the engine to the bit within limits of its own, which are checked before anything starts: a Dense
holds weights of -256..254 (odd ones too: netx scales them so that no low bit is dropped), but alters some if none is
positive; sums have 32 bits and a bias 16.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import numpy as np

from hybridnet.errors import GraphError
from hybridnet.spiking import Layer, Shape, SpikingGraph
from hybridnet.trace import Trace
from simulators.events import event_counter
from simulators.lava_import import import_lava
from simulators.lava_limits import check_delay, check_layer
from simulators.lava_steps import Network, running
from simulators.netfile import needed_processes

Play = Callable[[np.ndarray, Collection[str]], Trace]  # a checked input and what to record of it


def run(
    graph: SpikingGraph,
    x: np.ndarray,
    record: Collection[str],
    reset_interval: int | None = None,
    stock: bool = False,
) -> Trace:
    """Play checked integer input through Lava's fixed_pt processes, from rest; see `simulators.simulate`.

    GraphError if netx or Lava cannot hold the graph exactly; BackendError if Lava fails while it runs.
    """
    with open_network(graph, len(x), record, reset_interval, stock) as play:
        return play(x, record)


@contextmanager
def open_network(
    graph: SpikingGraph,
    steps: int,
    record: Collection[str] = (),
    reset_interval: int | None = None,
    stock: bool = False,
) -> Iterator[Play]:
    """A network of Lava's that plays inputs of `steps` frames back to back, each as from rest, until the block ends.

    record  the most that any input may record
    stock   use Lava's own models throughout, instead of the faster exact one for its Conv

    What is on its way in a delayed layer survives Lava's reset: a graph with delays gets a network for every input.
    """
    import_lava()
    if stock and (needed := needed_processes(graph)):
        raise GraphError(f"graph: needs {', '.join(needed)}, which stock Lava does not have; use backend='lava'")
    for layer, _, _, limit in graph.neuron_layers():
        check_layer(layer, limit)
        check_delay(layer, reset_interval, steps)

    @contextmanager
    def started() -> Iterator[Play]:
        with running(graph, steps, "v" in record, reset_interval, stock) as network:
            yield lambda x, kinds: _trace(graph, network, x, kinds, "lava-stock" if stock else "lava")

    def play_afresh(x: np.ndarray, kinds: Collection[str]) -> Trace:
        with started() as play:
            return play(x, kinds)

    if any(layer.delay is not None for layer in graph.layers):
        yield play_afresh
    else:
        with started() as play:
            yield play


def _trace(graph: SpikingGraph, network: Network, x: np.ndarray, record: Collection[str], backend: str) -> Trace:
    layers: list[tuple[Layer, Shape, Shape, int]] = list(graph.neuron_layers())
    counters = [event_counter(layer, source, shape) for layer, source, shape, _ in layers]
    shapes = {layer.name: shape for layer, _, shape, _ in layers}
    steps, last = len(x), len(layers) - 1
    sent = {name: np.empty((steps, *shape), bool) for name, shape in shapes.items() if "spikes" in record}
    held = {name: np.empty((steps, *shape), np.int32) for name, shape in shapes.items() if "v" in record}
    counts = {name: np.zeros(steps, np.int64) for name in shapes}
    events = {name: np.zeros(steps, np.int64) for name in shapes}
    events[next(iter(shapes))][:] = [counters[0](frame) for frame in x]
    potential = np.zeros(graph.output_shape, np.int32)
    for step, frames in enumerate(network.play(x)):
        for i, (name, (spikes, v)) in enumerate(zip(shapes, frames, strict=True)):
            t = step - network.delay(i)
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
        backend=backend,
        potential=potential,
        spikes=sent,
        v=held,
        spike_counts=counts,
        events=events,
        updates={name: int(np.prod(shape)) * steps for name, shape in shapes.items()},
        overflow_counts={},
        inputs=np.count_nonzero(x.reshape(steps, -1), axis=1),
    )


def _chw(frame: np.ndarray) -> np.ndarray:
    """(W,H,C) as (C,H,W), (N,) as it is."""
    return frame.T
