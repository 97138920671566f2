"""What every command prints with: results to stdout, progress and complaints to stderr."""

import json
import sys
from typing import Any

import numpy as np
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

WIDTH = 120  # of tables where stdout is no terminal

_out = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
_err = Console(stderr=True, highlight=False)


def show(*parts: RenderableType) -> None:
    """Print results; text is printed as it is, in lines that are never wrapped."""
    for part in parts:
        _out.print(escape(part) if isinstance(part, str) else part, soft_wrap=isinstance(part, str))


def complain(message: object) -> None:
    """One line on stderr."""
    _err.print(f"hybridnet: {escape(' '.join(str(message).split()))}", soft_wrap=True)


def progress() -> Progress:
    """A spinner on stderr that vanishes when done; silent where stderr is no terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    return Progress(*columns, console=_err, transient=True, disable=not _err.is_terminal)


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object and nothing else."""
    print(json.dumps(value, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no JSON form")
