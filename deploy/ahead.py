"""Work on the next items in threads while the ones before are used, in order and with a bound on what is held."""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def work_ahead(
    work: Callable[[Item], Result], items: Iterator[Item], workers: int
) -> Generator[tuple[Item, Result], None, None]:
    """Every item with work(item), in the order of `items`; `workers` of them at a time are worked on, in threads.

    No more than workers + 1 items are held at any time, the one just given included. `items` is taken from in the
    caller's thread, and only when a result is asked for. What `work` or `items` raises comes out in its place, and
    nothing is begun any more.
    """
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            del item  # or it would be held while the next one is made
            if len(waiting) == workers:
                yield _first(waiting)
        while waiting:
            yield _first(waiting)
    finally:
        pool.shutdown(cancel_futures=True)


def _first(waiting: deque[tuple[Item, Future[Result]]]) -> tuple[Item, Result]:
    item, result = waiting.popleft()
    return item, result.result()
