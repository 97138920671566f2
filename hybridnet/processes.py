"""Processes: the cores there are for them, and children that leave Ctrl-C to their parent."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def deaf_children() -> Iterator[None]:
    """Processes started meanwhile never hear Ctrl-C, which a terminal sends to all of them; their parent ends them.

    To ignore it once they run would be too late for those that are still starting. The parent hears it afterwards: a
    child of which it had sent only half would complain.
    """
    heard: list[int] = []
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    # The main thread alone has handlers, which are called for any thread's signal.
    own = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, lambda number, _: heard.append(number)) if own else None
    try:
        yield
    finally:
        if own:
            signal.signal(signal.SIGINT, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if heard:
            signal.raise_signal(signal.SIGINT)
