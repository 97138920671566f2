"""The reader beside a plain decode of the same file, and beside mvextractor and decord where they are installed.

make bench    # or: python tests/benchmarks/bench_video.py [VIDEO...]

Everything runs side by side in one process on one thread, the rounds interleaved. A figure is the median over the
rounds of a way's processor time over that of a plain decode just before it, so it depends little on the machine, but
for its memory and its load. The last table is wall time: whole files shared out to worker processes that open their own
containers.
"""

import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import av
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from videos import make_videos

from hybridnet.video import probe, read_gops

ROUNDS = 7
FRAMES = 600
FILES = 24  # of the parallel table
WAYS: dict[str, tuple[Callable[[str], None], str]] = {}


def way(name: str, goal: str = "") -> Callable[[Callable[[str], None]], Callable[[str], None]]:
    """Put a function in the table under `name`, with the limit that it must keep."""

    def add(function: Callable[[str], None]) -> Callable[[str], None]:
        WAYS[name] = function, goal
        return function

    return add


def exhaust(path: str, **options: object) -> None:
    for _ in read_gops(path, **options):
        pass


@way("plain decode (PyAV)")
def plain(path: str) -> None:
    """Every frame decoded and dropped."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_type, stream.codec_context.thread_count = "NONE", 1
        for packet in container.demux(stream):
            for _ in stream.codec_context.decode(packet):
                pass


@way("I-frame, D and R of all P-frames", "2.0")
def whole(path: str) -> None:
    exhaust(path)


@way("the same, each GOP dropped before the next is read")
def dropped(path: str) -> None:
    deque(read_gops(path), maxlen=0)


@way("motion only", "1.5")
def motion_only(path: str) -> None:
    exhaust(path, residual=None)


@way("one sampled P-frame a GOP, the 6th", "1.2")
def sampled(path: str) -> None:
    exhaust(path, positions=[6])


@way("one sampled P-frame a GOP, the last")
def sampled_last(path: str) -> None:
    exhaust(path, positions=[11])


@way("raw motion and residual")
def raw(path: str) -> None:
    exhaust(path, accumulate=False)


@way("fractions of a pixel")
def fractions(path: str) -> None:
    exhaust(path, subpel="float")


@way("I-frames only")
def iframes(path: str) -> None:
    exhaust(path, max_p=0)


@way("8 GOPs of the file, by index")
def chosen(path: str) -> None:
    count = len(probe(path).keyframes)
    exhaust(path, gops=sorted({k * count // 8 for k in range(8)}))


def add_others() -> None:
    """The other readers that are installed: raw vectors with RGB, and RGB alone."""
    try:
        from mvextractor.videocap import VideoCap

        @way("mvextractor: raw vectors, BGR, nothing accumulated")
        def mvextractor(path: str) -> None:
            video = VideoCap()
            video.open(path)
            while video.read()[0]:
                pass
            video.release()
    except ImportError as error:
        print(f"left out: mvextractor ({error})")
    try:
        import decord

        @way("decord: RGB alone")
        def read_decord(path: str) -> None:
            reader = decord.VideoReader(path, num_threads=1)
            for k in range(len(reader)):
                reader[k].asnumpy()
    except ImportError as error:
        print(f"left out: decord ({error})")


def measure(paths: list[Path]) -> dict[str, list[float]]:
    """Ratios to the plain decode, by way, one for each file."""
    ratios: dict[str, list[float]] = {name: [] for name in WAYS}
    for path in paths:
        rounds: dict[str, list[float]] = {name: [] for name in WAYS}
        with Progress(transient=True, auto_refresh=False) as progress:  # no thread whose time would be counted too
            task = progress.add_task(path.name, total=(ROUNDS + 1) * len(WAYS))
            for turn in range(ROUNDS + 1):
                for name, (function, _) in WAYS.items():
                    progress.advance(task)
                    progress.refresh()
                    ratio = 1 / seconds(plain, path) * seconds(function, path)
                    if turn:  # the first compiles, and fills the caches
                        rounds[name].append(ratio)
        for name, found in rounds.items():
            ratios[name].append(median(found))
    return ratios


def seconds(function: Callable[[str], None], path: Path) -> float:
    """Processor time of one call."""
    start = time.process_time()
    function(str(path))
    return time.process_time() - start


def in_parallel(path: Path, workers: int) -> float:
    """Seconds to read FILES whole files with that many processes, each started and warm beforehand."""
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        list(pool.map(whole, [str(path)] * workers))
        start = time.perf_counter()
        list(pool.map(whole, [str(path)] * FILES))
        return time.perf_counter() - start


def main(paths: list[Path]) -> None:
    add_others()
    console = Console(width=None if sys.stdout.isatty() else 120)
    table = Table("processor time / plain decode, one thread", *(path.name for path in paths), "limit")
    for name, ratios in measure(paths).items():
        table.add_row(name, *(f"{ratio:.2f}" for ratio in ratios), WAYS[name][1])
    console.print(table)
    table = Table("two processes, wall time", *(path.name for path in paths), "limit")
    table.add_row("one process / two", *(f"{in_parallel(path, 1) / in_parallel(path, 2):.2f}" for path in paths), "1.8")
    console.print(table)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    given = [Path(name) for name in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as folder:
        main(given or make_videos(Path(folder), FRAMES))
