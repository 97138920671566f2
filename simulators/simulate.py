"""`simulate`: one call for every backend; it checks the input once, so that backends need not."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import numpy as np

from hybridnet.errors import BackendError, GraphError
from hybridnet.spiking import SpikingGraph
from hybridnet.trace import Trace
from simulators import engine
from simulators.lava_import import INSTALL
from simulators.layout import prepare

RECORDABLE = ("spikes", "v", "counts")
Simulator = Callable[..., Trace]  # of an input, and optionally of what to record
_LAVA = ("lava", "lava-stock")
_BACKENDS = ("integer", *_LAVA)


def backends() -> tuple[str, ...]:
    """The backends that are installed ("lava-stock" comes with "lava"); looks for packages, imports none."""
    try:
        found = find_spec("lava.magma") is not None and find_spec("lava.lib.dl.netx") is not None
    except ModuleNotFoundError:  # not even the namespace around them
        found = False
    return ("integer", "lava") if found else ("integer",)


def require_backend(name: str) -> None:
    """BackendError if the backend is unknown or not installed."""
    if name not in _BACKENDS:
        raise BackendError(f"backend {name!r} is unknown; choose from {', '.join(_BACKENDS)}")
    if name in _LAVA and "lava" not in backends():
        raise BackendError(f"backend {name!r} is not installed; {INSTALL}")


def simulate(
    graph: SpikingGraph,
    x: np.ndarray,
    backend: str = "integer",
    record: Collection[str] = (),
    reset_interval: int | None = None,
    hardware_refractory: bool = False,
) -> Trace:
    """Play x through the graph, from rest.

    x        integer or bool, (T,C,H,W) or (T,N), any T >= 1, within +-graph.input_limit (0 or 1 if input_bits is 1)
    backend  "integer" (exact, fast), "lava" (Lava's fixed_pt processes; seconds to start), or "lava-stock" (the same
             with Lava's own model of Conv, several times slower, and no process of this toolkit's own)
    record   any of "spikes", "v" and "counts" (active neurons, effective events; integer backend only)
    reset_interval       N >= 1: every layer is back at rest before its frames N, 2N, ...; None for never
    hardware_refractory  read v as Loihi's captures hold it: 128 (refDelay << 7) in the step of a spike instead of 0;
                         the dynamics are the same. Integer backend and reset "zero" only

    GraphError if x does not fit the graph, if `record` names anything else, if an option is out of range, or if the
    backend cannot hold the graph or the option; BackendError if the backend is unknown, not installed, or fails.
    """
    names = _recordable(record)
    if reset_interval is not None and reset_interval < 1:
        raise GraphError(f"reset_interval: {reset_interval} must be at least 1 step; use None for no reset")
    require_backend(backend)
    if hardware_refractory:
        _check_refractory(graph, backend)
    x = _checked(graph, np.asarray(x))
    if backend == "integer":
        return engine.run(prepare(graph), x, names, reset_interval, hardware_refractory)
    from simulators import lava

    _check_counts(names, backend)
    return lava.run(graph, x, names, reset_interval, stock=backend == "lava-stock")


@contextmanager
def open_simulator(graph: SpikingGraph, backend: str = "integer", record: Collection[str] = ()) -> Iterator[Simulator]:
    """A function that simulates one input of `graph.steps` frames after the other, each from rest, as `simulate` does.

    It may be told to record less of an input than `record`, which is what it records if not told. The engine's may be
    called from several threads at once; Lava's processes start once, with the block, and end with it. Raises what
    `simulate` raises.
    """
    require_backend(backend)
    if backend == "integer":
        layers = prepare(graph)
        yield lambda x, kinds=record: engine.run(layers, _checked(graph, np.asarray(x)), _recordable(kinds))
        return
    from simulators import lava

    _check_counts(_recordable(record), backend)
    with lava.open_network(graph, graph.steps, _recordable(record), stock=backend == "lava-stock") as play:

        def play_checked(x: np.ndarray, kinds: Collection[str] = record) -> Trace:
            if len(x) != graph.steps:
                raise GraphError(f"input: {len(x)} frames are not the {graph.steps} steps of the graph; use simulate")
            return play(_checked(graph, np.asarray(x)), _recordable(kinds) & _recordable(record))

        yield play_checked


def _recordable(record: Collection[str]) -> set[str]:
    names = {record} if isinstance(record, str) else set(record)
    unknown = sorted(names - set(RECORDABLE))
    if unknown:
        raise GraphError(f"record: {unknown[0]!r} cannot be recorded; choose from {', '.join(RECORDABLE)}")
    return names


def _check_counts(names: Collection[str], backend: str) -> None:
    if "counts" in names:
        raise GraphError(f"record: backend {backend!r} does not tell 'counts'; use backend='integer'")


def _check_refractory(graph: SpikingGraph, backend: str) -> None:
    if backend != "integer":
        raise GraphError(f"hardware_refractory: backend {backend!r} holds v = 0 after a spike; use backend='integer'")
    for layer in graph.layers:
        if layer.reset != "zero":
            raise GraphError(
                f"layer {layer.name}: reset {layer.reset!r} does not exist on Loihi; "
                "use reset='zero' or hardware_refractory=False"
            )


def _checked(graph: SpikingGraph, x: np.ndarray) -> np.ndarray:
    """x itself, if its dtype, shape and range fit the graph."""
    if x.dtype.kind not in "iub":
        raise GraphError(f"input: dtype {x.dtype} is not integer or bool; quantise it first")
    if x.ndim == 0 or x.shape[1:] != graph.input_shape or len(x) == 0:
        wanted = ",".join(map(str, graph.input_shape))
        raise GraphError(f"input: shape {x.shape} must be (T,{wanted}) with at least one step")
    lowest, highest = int(x.min()), int(x.max())
    limit, floor = graph.input_limit, 0 if graph.input_bits == 1 else -graph.input_limit
    if lowest < floor or highest > limit:
        value = lowest if lowest < floor else highest
        raise GraphError(
            f"input: value {value} is outside {floor}..{limit} ({graph.input_bits} bits); "
            "clip or rescale it, or give the graph more input_bits"
        )
    return x
