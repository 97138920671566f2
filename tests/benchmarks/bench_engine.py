"""The engine beside Lava and beside dense convolutions, in proportion to its spikes, and from a cold start.

make bench-engine    # or: python tests/benchmarks/bench_engine.py

The network is the STM: 2 -> 16 -> 16 channels, 3x3, 224x224, 11 steps, a fifth of the input not zero. Everything runs
side by side in one process, rounds interleaved; a figure is the least wall time of its rounds, or a ratio of two.
Two streams are two such networks with inputs of their own; Lava, torch and ONNX Runtime take them in turn, with both
cores for each, and the engine both at once. Start-up is the wall time of whole new processes.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from dense_engines import DenseEngine, onnx_convolution, torch_convolution
from rich.console import Console
from rich.progress import track
from rich.table import Table

from hybridnet.spiking import Layer, SpikingGraph
from simulators import open_simulator, population, save_net, simulate

STEPS, SIZE, ROUNDS = 11, 224, 7
DENSITIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5)
START = """
import sys
if sys.argv[2:]: sys.modules["scipy"] = None  # as where only the light runtime is installed
import numpy, simulators
graph = simulators.load_net(sys.argv[1])
simulators.simulate(graph, numpy.eye(SIZE, dtype=int)[None, None].repeat(2, 1).repeat(3, 0))
"""


def network(seed: int) -> tuple[SpikingGraph, np.ndarray]:
    """An STM with random weights whose layers spike at 8% and 3%, and its input."""
    rng = np.random.default_rng(seed)
    first = 2 * rng.integers(-40, 41, (16, 2, 3, 3))
    second = 2 * rng.integers(-40, 41, (16, 16, 3, 3))
    conv = {"padding": (1, 1), "decay_v": 400}
    layers = (
        Layer("first", "conv", first, threshold=1300, **conv),
        Layer("second", "conv", second, threshold=620, **conv),
    )
    shape = (STEPS, 2, SIZE, SIZE)
    x = rng.integers(-20, 21, shape) * (rng.random(shape) < 0.2)
    return SpikingGraph(layers, shape[1:], 8, STEPS), x.astype(np.int8)


def least(ways: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Seconds of each way: the least of its rounds, after one that compiles and fills the caches."""
    seconds = dict.fromkeys(ways, float("inf"))
    for turn in track(range(rounds + 1), description=", ".join(ways), transient=True):
        for name, way in ways.items():
            time.sleep(0.1)  # the threads of other libraries spin for a while after their work, on the engine's core
            start = time.perf_counter()
            way()
            if turn:
                seconds[name] = min(seconds[name], time.perf_counter() - start)
    return seconds


def lava_step(graph: SpikingGraph, x: np.ndarray) -> float:
    """Seconds of one step of Lava's own models, warm, with every potential and spike tapped."""
    with open_simulator(graph, "lava-stock", record=("spikes", "v")) as play:
        play(x)
        start = time.perf_counter()
        play(x)
        return (time.perf_counter() - start) / (STEPS + len(graph.layers))  # each layer answers a step later


def beside_others(console: Console) -> None:
    networks = [network(seed) for seed in (1, 2)]
    graph, x = networks[0]
    counts = simulate(graph, x).spike_counts
    rates = [counts[layer.name].sum() / np.prod((STEPS, *graph.output_shape)) for layer in graph.layers]
    console.print(f"spike rates {rates[0]:.1%} and {rates[1]:.1%}")
    dense = {
        "torch float32 convolution": [DenseEngine(graph, torch_convolution, 1) for graph, _ in networks],
        "ONNX Runtime float32 convolution": [DenseEngine(graph, onnx_convolution, 1) for graph, _ in networks],
    }
    both = {
        "torch float32 convolution": [DenseEngine(graph, torch_convolution, 2) for graph, _ in networks],
        "ONNX Runtime float32 convolution": [DenseEngine(graph, onnx_convolution, 2) for graph, _ in networks],
    }
    for engines in dense.values():
        assert {name: list(spikes) for name, spikes in counts.items()} == engines[0].run(x)
    torch.set_num_threads(1)
    alone = least({"engine": lambda: simulate(graph, x), **{n: lambda e=e: e[0].run(x) for n, e in dense.items()}})
    torch.set_num_threads(2)
    with ThreadPoolExecutor(2) as pool:
        together = least(
            {
                "engine": lambda: list(pool.map(lambda pair: simulate(*pair), networks)),
                **{
                    n: lambda e=e: [engine.run(x) for engine, (_, x) in zip(e, networks, strict=True)]
                    for n, e in both.items()
                },
            }
        )
    lava = lava_step(graph, x)
    table = Table("ms per step", "one stream, one thread", "/ engine", "two streams, two cores", "/ engine", "goal")
    for name in alone:
        table.add_row(
            name,
            *(f"{alone[name] / STEPS * 1e3:.2f}", f"{alone[name] / alone['engine']:.1f}"),
            *(f"{together[name] / STEPS * 1e3:.2f}", f"{together[name] / together['engine']:.1f}"),
            "" if name == "engine" else "3",
        )
    ratios = f"{lava / alone['engine'] * STEPS:.0f}", f"{2 * lava / together['engine'] * STEPS:.0f}"
    table.add_row("Lava, states tapped", f"{lava * 1e3:.0f}*", ratios[0], f"{2 * lava * 1e3:.0f}", ratios[1], "150")
    console.print(table, "* on both cores, which its processes take", sep="\n")


def in_proportion(console: Console) -> None:
    """Both paths of one layer, 16 -> 16 channels, by the share of its inputs that spike."""
    rng = np.random.default_rng(3)
    layer = Layer("only", "conv", 2 * rng.integers(-40, 41, (16, 16, 3, 3)), padding=(1, 1), decay_v=400)
    graph = SpikingGraph((layer,), (16, SIZE, SIZE), 1, STEPS)
    usual = population.CROSSOVER
    table = Table("inputs that spike", "events per step", "event path, ms", "dense path, ms", "chosen, ms")
    events, by_events, by_all = [], [], []
    for density in DENSITIES:
        x = rng.random((STEPS, *graph.input_shape)) < density

        def by(crossover: float, x: np.ndarray = x) -> np.ndarray:
            population.CROSSOVER = crossover
            return simulate(graph, x).events["only"]

        seconds = least({"events": lambda by=by: by(2), "all": lambda by=by: by(-1), "chosen": lambda by=by: by(usual)})
        events.append(int(by(usual).sum()))
        by_events.append(seconds["events"])
        by_all.append(seconds["all"])
        figures = [f"{value / STEPS * 1e3:.2f}" for value in seconds.values()]
        table.add_row(f"{density:.1%}", f"{events[-1] / STEPS:,.0f}", *figures)
    console.print(table)
    slope, constant = np.polyfit(events, by_events, 1)
    residual = np.abs(np.polyval((slope, constant), events) / by_events - 1).max()
    per_input = np.array(events) / np.array(DENSITIES)
    dense_slope, dense_constant = np.polyfit(DENSITIES, by_all, 1)
    crossover = (dense_constant - constant) / (slope * per_input.mean() - dense_slope)
    console.print(
        f"event path: {constant / STEPS * 1e3:.2f} ms a step and {1 / slope / 1e9:.1f} billion synaptic operations a "
        f"second (no point is further than {residual:.0%} from that line)\n"
        f"the dense path is faster from {crossover:.0%} on; the engine takes it from {usual:.0%} on"
    )


def from_a_start(console: Console) -> None:
    """New processes that read a network and play three frames through it, with an empty cache of kernels and after."""
    table = Table("seconds of a new process", "all extras installed", "light runtime", "goal")
    with tempfile.TemporaryDirectory() as folder:
        save_net(path := Path(folder) / "stm.net", network(1)[0])
        code = START.replace("SIZE", str(SIZE))

        def start(cache: str, *light: str) -> float:
            began = time.perf_counter()
            environment = {**os.environ, "NUMBA_CACHE_DIR": f"{folder}/{cache}"}
            subprocess.run([sys.executable, "-c", code, str(path), *light], check=True, env=environment)
            return time.perf_counter() - began

        first = start("a"), start("b", "light")
        later = [min(start("a", *light) for _ in range(5)) for light in ((), ("light",))]
    table.add_row("the first, compiling", *(f"{seconds:.2f}" for seconds in first), "3")
    table.add_row("a later one", *(f"{seconds:.2f}" for seconds in later), "0.5")
    console.print(table)


if __name__ == "__main__":
    screen = Console(width=None if sys.stdout.isatty() else 120)
    from_a_start(screen)
    in_proportion(screen)
    beside_others(screen)
