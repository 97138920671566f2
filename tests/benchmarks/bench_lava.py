"""The Lava backend beside itself with Lava's own model of Conv: the faster exact one must take a third at most.

make bench-lava    # or: python tests/benchmarks/bench_lava.py

An STM of 2 -> 16 -> 16 channels, 3x3, spikes and potentials of both layers taken out after every step. Both networks
run in one process, one after the other in turns; a figure is the least of its rounds, for the steps alone (starting a
network takes a second or two either way). Processor time is that of all of Lava's processes and of this one. Every
round is compared with the integer engine.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from hybridnet.spiking import Layer, SpikingGraph
from simulators import open_simulator, simulate

SIZES = (112, 224)
STEPS = 6
ROUNDS = 3
BACKENDS = ("lava-stock", "lava")
DENSITY = 0.2  # of the input, in blocks of 8 pixels, as motion vectors are


def network(size: int) -> SpikingGraph:
    rng = np.random.default_rng(0)
    layers = [
        Layer(
            name,
            "conv",
            2 * rng.integers(-30, 31, (16, inputs, 3, 3)),
            padding=(1, 1),
            decay_v=410,
            threshold=threshold,
        )
        for name, inputs, threshold in (("conv1", 2, 600), ("conv2", 16, 400))
    ]
    return SpikingGraph(tuple(layers), (2, size, size), 8, STEPS)


def motion(size: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    shape = (STEPS, 2, size // 8, size // 8)
    blocks = rng.integers(-16, 17, shape) * (rng.random(shape) < DENSITY)
    return blocks.repeat(8, axis=2).repeat(8, axis=3)


def processes() -> Iterator[int]:
    """This process and its children."""
    yield os.getpid()
    for task in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        yield from map(int, task.read_text().split())


def processor_seconds() -> float:
    ticks = 0
    for pid in processes():
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def measure(size: int) -> dict[str, tuple[float, float]]:
    """Least wall and processor milliseconds of a step, by backend."""
    graph, x = network(size), motion(size)
    wanted = simulate(graph, x, record=("spikes", "v"))
    rates = ", ".join(f"{spikes.mean():.1%}" for spikes in wanted.spikes.values())
    print(f"{size}x{size}: input density {np.mean(x != 0):.0%}, spike rates {rates}")
    least = dict.fromkeys(BACKENDS, (np.inf, np.inf))
    for _ in track(range(ROUNDS), description=f"{size}x{size}", transient=True):
        for backend in BACKENDS:
            with open_simulator(graph, backend, record=("spikes", "v")) as play:
                play(x)  # every process warms up
                wall, work = time.perf_counter(), processor_seconds()
                found = play(x)
                spent = time.perf_counter() - wall, processor_seconds() - work
            steps = STEPS + len(graph.layers)  # until the last layer has answered the last frame
            least[backend] = tuple(min(a, b * 1e3 / steps) for a, b in zip(least[backend], spent, strict=True))
            for name in wanted.v:
                assert np.array_equal(found.v[name], wanted.v[name]), (backend, name)
                assert np.array_equal(found.spikes[name], wanted.spikes[name]), (backend, name)
    return least


def main() -> None:
    table = Table("a step, spikes and potentials tapped", "lava-stock", "lava", "lava / lava-stock", "limit")
    for size in SIZES:
        stock, fast = measure(size).values()
        for what, a, b in zip(("wall", "processor"), stock, fast, strict=True):
            table.add_row(f"{size}x{size}, {what} time", f"{a:.0f} ms", f"{b:.0f} ms", f"{b / a:.2f}", "0.33")
    Console(width=None if sys.stdout.isatty() else 120).print(table)


if __name__ == "__main__":
    main()
