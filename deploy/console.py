"""What every command prints with: results to stdout, progress and complaints to stderr."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import numpy as np
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

WIDTH = 120  # of tables where stdout is no terminal
INTERVAL = 10.0  # seconds between lines of progress where stderr is no terminal

_out = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
_err = Console(stderr=True, highlight=False)


def show(*parts: RenderableType) -> None:
    """Print results; text is printed as it is, in lines that are never wrapped."""
    for part in parts:
        _out.print(escape(part) if isinstance(part, str) else part, soft_wrap=isinstance(part, str))


def counted(number: int, noun: str) -> str:
    """Such as "1 clip" and "1,200 clips"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def some_of(failed: int, total: int, fate: str) -> str:
    """Such as "2 of 5 videos failed, each named above; the others are done", of videos that have each had a line."""
    rest = "" if failed == total else "; the others are done"
    return f"{failed:,} of {counted(total, 'video')} {fate}, each named above{rest}"


def complain(message: object) -> None:
    """One line on stderr."""
    _err.print(f"hybridnet: {escape(' '.join(str(message).split()))}", soft_wrap=True)


@contextmanager
def progress() -> Iterator[Progress]:
    """A spinner on stderr that vanishes when done; where stderr is no terminal, a plain line every INTERVAL seconds."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    live = _err.is_terminal and not _err.is_dumb_terminal
    with Progress(*columns, console=_err, transient=True, disable=not live) as bar:
        if live:
            yield bar
            return
        over = Event()
        teller = Thread(target=_tell, args=(bar, over), daemon=True)
        teller.start()
        try:
            yield bar
        finally:
            over.set()
            teller.join()


def _tell(bar: Progress, over: Event) -> None:
    while not over.wait(INTERVAL):
        for task in bar.tasks:
            done = "" if task.total is None else f", {task.completed:,.0f} of {task.total:,.0f}"
            complain(f"{task.description}{done}, {task.elapsed or 0:.0f} s")


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object and nothing else."""
    print(json.dumps(value, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no JSON form")
