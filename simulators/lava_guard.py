"""Lava's processes must not outlive whoever started them, nor be interrupted by what is meant for him."""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.util import register_after_fork

from hybridnet.processes import deaf_children

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class _Fork:
    """What a child process of Lava's does first: it asks to be killed with its parent, where the system can do that."""

    def __init__(self) -> None:
        self.parent = os.getpid()
        register_after_fork(self, _Fork.bind)  # for as long as this object lives

    def bind(self) -> None:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self.parent:
            os._exit(1)


@contextmanager
def starting() -> Iterator[None]:
    """Processes started in this block ignore Ctrl-C (`deaf_children`), and end when their parent is killed.

    Linux ties them to the thread that started them, so in other threads than the main one, they are not bound.
    """
    main = threading.current_thread() is threading.main_thread()
    fork = _Fork() if main and sys.platform == "linux" else None
    with deaf_children():
        yield
    del fork
