"""Lava's processes must not outlive whoever started them, nor be interrupted by what is meant for him."""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.util import register_after_fork

from hybridnet.processes import deaf_children

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LOOK_SECONDS = 0.5


class _Fork:
    """What a child process of Lava's does first: it sees to it that it ends with its parent."""

    def __init__(self) -> None:
        self.parent = os.getpid()
        # Linux kills a child with its parent if asked to, but means the thread that started it, which may end before.
        self.asks = sys.platform == "linux" and threading.current_thread() is threading.main_thread()
        register_after_fork(self, _Fork.bind)  # for as long as this object lives

    def bind(self) -> None:
        if self.asks:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            self.end_alone()
        else:
            threading.Thread(target=self.watch, daemon=True).start()

    def watch(self) -> None:
        while True:
            self.end_alone()
            time.sleep(_LOOK_SECONDS)

    def end_alone(self) -> None:
        if os.getppid() != self.parent:
            os._exit(1)


@contextmanager
def starting() -> Iterator[None]:
    """Processes started in this block ignore Ctrl-C (`deaf_children`), and end when their parent is killed."""
    fork = _Fork()
    with deaf_children():
        yield
    del fork
