"""Jobs shared out to processes that survive the death of one, and that leave when their parent does."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TypeVar

from hybridnet.errors import BackendError
from hybridnet.processes import deaf_children

Job = TypeVar("Job")
Result = TypeVar("Result")


def share_out(work: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, Result | None]]:
    """Each job with what `work` makes of it, as they are finished; None for a job that its worker died of.

    Jobs that were out when a worker died are tried again, each alone. Jobs and results are pickled, and `work` is a
    function of a module. Raises what `work` raises, and BackendError if no worker can start.
    """
    waiting = list(reversed(jobs))
    while waiting:
        out: dict[Future[Result], Job] = {}
        try:
            yield from _run_pool(work, waiting, out, workers)
        except BrokenProcessPool:
            for job in out.values():
                try:
                    yield from _run_pool(work, [job], {}, 1)
                except BrokenProcessPool:
                    yield job, None


def _run_pool(
    work: Callable[[Job], Result], waiting: list[Job], out: dict[Future[Result], Job], workers: int
) -> Iterator[tuple[Job, Result]]:
    """Take jobs from the end of `waiting` and yield their results; `out` has those that the workers are at."""
    context = multiprocessing.get_context("spawn")  # FFmpeg's and numba's threads do not survive a fork
    reader, writer = context.Pipe(duplex=False)
    workers = min(workers, len(waiting))
    pool = ProcessPoolExecutor(workers, context, initializer=_watch, initargs=(reader,))
    try:
        with deaf_children():
            started = pool.submit(os.getpid)
        while waiting or out:
            while waiting and len(out) <= workers:  # one more than there are workers, so that none waits
                with deaf_children():
                    out[pool.submit(work, waiting[-1])] = waiting[-1]
                waiting.pop()
            for future in wait(out, return_when=FIRST_COMPLETED).done:
                result = future.result()
                yield out.pop(future), result
    except BrokenProcessPool as error:
        if started.exception():
            raise BackendError(
                "the worker processes cannot start; call this under if __name__ == '__main__', or from a file"
            ) from error
        raise
    finally:
        writer.close()  # whoever is still at work leaves
        pool.shutdown(cancel_futures=True)
        reader.close()


def _watch(reader: Connection) -> None:
    """Of a worker: leave when the other end of the pipe closes, be it that the parent was killed."""

    def leave() -> None:
        with suppress(EOFError, OSError):
            reader.recv()
        os._exit(1)

    threading.Thread(target=leave, daemon=True).start()
