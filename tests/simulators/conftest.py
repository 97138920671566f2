"""Shared by the simulators' tests: an independent reference of the dynamics, and random graphs with input."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import strategies as st

from hybridnet.spiking import Layer, SpikingGraph
from net_edits import GRAPH
from simulators import save_net

Draw = Callable[..., object]


def _truncated(x: np.ndarray, decay: int) -> np.ndarray:
    """x * (4096 - decay) / 4096, toward zero."""
    return np.sign(x) * (np.abs(x) * (4096 - decay) // 4096)


def _sums(layer: Layer, a: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, int]:
    """The layer's weights applied to one frame in int64, and the synaptic events, tap by tap over padded input."""
    w = layer.weight.astype(np.int64)
    if layer.kind == "dense":
        return w @ a, np.count_nonzero(a) * len(w)
    (sy, sx), (py, px), (dy, dx) = layer.stride, layer.padding, layer.dilation
    padded = np.pad(a, ((0, 0), (py, py), (px, px)))
    total, events = np.zeros(shape, np.int64), 0
    fan_in = w.shape[1]
    for out in range(len(w)):
        first = out // (len(w) // layer.groups) * fan_in
        for ky in range(w.shape[2]):
            for kx in range(w.shape[3]):
                rows = slice(ky * dy, ky * dy + (shape[1] - 1) * sy + 1, sy)
                columns = slice(kx * dx, kx * dx + (shape[2] - 1) * sx + 1, sx)
                patch = padded[first : first + fan_in, rows, columns]
                total[out] += np.einsum("c,cyx->yx", w[out, :, ky, kx], patch)
                events += np.count_nonzero(patch)
    return total, events


def _arriving(layer: Layer, frames: list[np.ndarray], t: int, shape: tuple[int, ...]) -> tuple[np.ndarray, int]:
    """a of step t and the synaptic events that arrive by then; delays neuron by neuron, from the frames before."""

    def frame(step: int) -> np.ndarray:
        return frames[step] if step >= 0 else np.zeros_like(frames[0])

    if layer.kind == "input":
        return np.zeros(shape, np.int64), 0
    if layer.delay is None:
        return _sums(layer, frames[t], shape)
    if len(layer.delay) == len(layer.weight):
        late = [_sums(layer, frame(t - delay), shape) for delay in layer.delay]
        return np.array([a[k] for k, (a, _) in enumerate(late)]), sum(count for _, count in late) // len(late)
    return _sums(layer, np.array([frame(t - delay)[k] for k, delay in enumerate(layer.delay)]), shape)


def _reference(graph: SpikingGraph, x: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """The dynamics of hybridnet.spiking in plain int64, with Lava's wraps; per layer spikes, v, events, overflows."""
    result = {}
    frames = list(x.astype(np.int64))
    for layer, shape in zip(graph.layers, graph.shapes, strict=True):
        if layer.kind == "flatten":
            frames = [frame.reshape(-1) for frame in frames]
            continue
        u, v, overflows = np.zeros(shape, np.int64), np.zeros(shape, np.int64), []
        bias = np.zeros(len(layer.weight), np.int64) if layer.bias is None else layer.bias.astype(np.int64)
        bias = bias.reshape(-1, *[1] * (len(shape) - 1))
        spikes, potentials, events = [], [], []
        for t, frame in enumerate(frames):
            a, count = _arriving(layer, frames, t, shape)
            if layer.kind == "input":
                bias = frame
            exact = _truncated(u, layer.decay_u) + a * 64
            if layer.kind == "conv":
                a = (a + 2**23) % 2**24 - 2**23
            u = (_truncated(u, layer.decay_u) + a * 64).astype(np.int32).astype(np.int64)
            u = np.where(u > 2**23, u - 2**24, np.where(u <= -(2**23), u + 2**24, u))
            full = (_truncated(v, layer.decay_v) + u + bias * 64).astype(np.int32).astype(np.int64)
            v = np.clip(full, -(2**23) + 1, 2**23 - 1)
            overflows.append(np.count_nonzero(u != exact) + np.count_nonzero(v != full))
            fired = np.zeros(shape, bool)
            if layer.threshold is not None:
                fired = v > layer.threshold * 64
                v = np.where(fired, v - layer.threshold * 64 if layer.reset == "subtract" else 0, v)
            spikes.append(fired)
            potentials.append(v)
            events.append(count)
        result[layer.name] = {
            "spikes": np.array(spikes),
            "v": np.array(potentials),
            "events": np.array(events),
            "overflows": np.array(overflows),
        }
        frames = [fired.astype(np.int64) for fired in spikes]
    return result


@pytest.fixture(scope="session")
def reference() -> Callable[[SpikingGraph, np.ndarray], dict[str, dict[str, np.ndarray]]]:
    """reference(graph, x) -> per layer {"spikes", "v", "events", "overflows"}."""
    return _reference


def _layer(draw: Draw, rng: np.random.Generator, name: str, kind: str, weight: np.ndarray, **options: object) -> Layer:
    resets = options.pop("resets")
    return Layer(
        name,
        kind,
        weight,
        bias=rng.integers(-300, 300, len(weight)) if draw(st.booleans()) else None,
        decay_u=draw(st.sampled_from([4096, 4096, 0, 1, 1500, 4095])),
        decay_v=draw(st.sampled_from([0, 1, 410, 4095, 4096])),
        threshold=draw(st.sampled_from([0, 7, 120, 5000, 131071])),
        reset=draw(st.sampled_from(resets)),
        **options,
    )


@st.composite
def _cases(
    draw: Draw, resets: tuple[str, ...], bits: int, conv_limit: int, dense_limit: int
) -> tuple[SpikingGraph, np.ndarray]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def pair(low: int, high: int) -> tuple[int, int]:
        return draw(st.integers(low, high)), draw(st.integers(low, high))

    input_bits = draw(st.sampled_from([1, 2, 8, bits]))
    limit = draw(st.sampled_from([4, 60, 254, conv_limit]))
    input_shape = shape = (draw(st.integers(1, 4)), *pair(1, 9))
    layers = [_layer(draw, rng, "input", "input", np.array([40]), resets=resets)] if draw(st.booleans()) else []
    for i in range(draw(st.integers(0, 2))):
        groups = draw(st.sampled_from([g for g in (1, 2, 3, 4) if shape[0] % g == 0]))
        padding, dilation, wanted = pair(0, 2), pair(1, 2), pair(1, 3)
        kernel = [min(wanted[k], (shape[1 + k] + 2 * padding[k] - 1) // dilation[k] + 1) for k in (0, 1)]
        outputs = groups * draw(st.integers(1, 3))
        weight = rng.integers(-limit, limit + 1, (outputs, shape[0] // groups, *kernel))
        geometry = {"stride": pair(1, 3), "padding": padding, "dilation": dilation, "groups": groups}
        layers.append(_layer(draw, rng, f"conv{i}", "conv", weight, resets=resets, **geometry))
        shape = layers[-1].output_shape(shape)
    if not layers or draw(st.booleans()):
        half = min(limit, dense_limit) // 2  # even weights: Lava's Dense holds no others
        weight = 2 * rng.integers(-half, half + 1, (draw(st.integers(1, 5)), int(np.prod(shape))))
        weight.flat[0] = 2  # netx cannot load a dense weight that is all zero
        lengths = draw(st.sampled_from([None, *weight.shape]))  # one delay per neuron or one per input
        delay = None if lengths is None else rng.integers(0, 4, lengths)
        dense = _layer(draw, rng, "dense", "dense", weight, resets=resets, delay=delay)
        layers += [Layer("flatten", "flatten"), dense]
    if draw(st.booleans()):
        last = layers[-1]
        layers[-1] = Layer(**{**vars(last), "threshold": None, "graded": draw(st.booleans())})
    graph = SpikingGraph(tuple(layers), input_shape, input_bits, steps=11)
    frames = (draw(st.integers(1, 5)), *input_shape)
    low = 0 if input_bits == 1 else -graph.input_limit
    x = rng.integers(low, graph.input_limit + 1, frames) * (rng.random(frames) < draw(st.sampled_from([0.1, 0.5, 1.0])))
    return graph, x


@pytest.fixture(scope="session")
def cases() -> Callable[..., st.SearchStrategy[tuple[SpikingGraph, np.ndarray]]]:
    """cases(...) -> strategy of (graph, x): geometries, decays, biases, resets, readouts, delays, inputs, overflow.

    bits                     the most an input element has
    conv_limit, dense_limit  the largest weights, for a backend that holds no larger ones
    """

    def strategy(
        resets: tuple[str, ...] = ("zero", "subtract"),
        bits: int = 16,
        conv_limit: int = 2**17,
        dense_limit: int = 2**17,
    ) -> st.SearchStrategy[tuple[SpikingGraph, np.ndarray]]:
        return _cases(resets, bits, conv_limit, dense_limit)

    return strategy


@pytest.fixture
def edited(tmp_path) -> Callable[[Callable[[h5py.File], object]], Path]:
    """edited(change) -> path of GRAPH's file after change(file): what another exporter might have written."""

    def edit(change: Callable[[h5py.File], object]) -> Path:
        path = tmp_path / "edited.net"
        save_net(path, GRAPH)
        with h5py.File(path, "r+") as file:
            change(file)
        return path

    return edit
