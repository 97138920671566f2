"""Ctrl-C that cannot be lost.

Python raises KeyboardInterrupt wherever it is, and where that is a destructor or the callback of a weak reference, such
as h5py's, prints "Exception ignored" and goes on: the command would run to its end as if nobody had stopped it.
"""

import sys
from _thread import interrupt_main
from threading import Timer

DELAY = 0.02  # seconds in which the place that loses it is left


def raise_lost_interrupts() -> None:
    """From now on a Ctrl-C that Python ignored is raised again in the main thread."""
    usual = sys.unraisablehook

    def hook(lost: "sys.UnraisableHookArgs") -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt):
            Timer(DELAY, interrupt_main).start()
        else:
            usual(lost)

    sys.unraisablehook = hook
