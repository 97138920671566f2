"""`Request`: what `read_gops` is asked for, checked before any file is opened."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, SupportsIndex

from hybridnet.errors import VideoError

MOST = 2**31 - 1  # packets of a video, far beyond any
CHOICES: dict[str, tuple[object, ...]] = {
    "accumulate": (True, False),
    "subpel": ("trunc", "float"),
    "residual": ("pixel", "codec", None),
    "strict": (True, False),
}


@dataclass(frozen=True)
class Request:
    """The arguments of `read_gops`, all of them checked."""

    gops: list[int] | None
    max_p: int | None
    positions: list[int] | None
    accumulate: bool
    subpel: str
    residual: str | None
    strict: bool

    def places(self, frames: int) -> list[int]:
        """Places of the P-frames to keep, ascending, in a GOP of `frames` frames or more."""
        if self.positions is not None:
            return self.positions
        return list(range(1, frames if self.max_p is None else min(frames, self.max_p + 1)))

    @property
    def packets(self) -> int | None:
        """Packets of a GOP to decode; None for all. One more than the last P-frame's: behind it a B-frame may hide."""
        last = self.max_p if self.positions is None else max(self.positions, default=0)
        if last is None:
            return None
        return last + 2 if last else 1


def check_request(name: str, **arguments: Any) -> Request:
    """The request that `read_gops`'s arguments make; VideoError, of the video `name`, for one out of its range."""
    gops = _ascending(name, "gops", arguments["gops"], 0)
    positions = _ascending(name, "positions", arguments["positions"], 1)
    max_p = arguments["max_p"]
    is_count = isinstance(max_p, SupportsIndex) and not isinstance(max_p, bool)
    if max_p is not None and not (is_count and 0 <= index(max_p) <= MOST):
        raise VideoError(
            f"{name}: max_p {max_p!r} must be an integer of at least 0; leave it out to read every P-frame"
        )
    if max_p is not None and positions is not None:
        raise VideoError(f"{name}: max_p {max_p} and positions {positions} contradict each other; leave one out")
    for key, values in CHOICES.items():
        value = arguments[key]
        if not any(type(value) is type(choice) and value == choice for choice in values):
            first, last = ", ".join(map(repr, values[:-1])), values[-1]
            raise VideoError(f"{name}: {key} {value!r} must be {first} or {last!r}")
    if arguments["residual"] == "codec" and not arguments["accumulate"]:
        raise VideoError(f"{name}: residual 'codec' is always accumulated; use 'pixel', or leave out accumulate=False")
    return Request(
        **arguments | {"gops": gops, "positions": positions, "max_p": None if max_p is None else index(max_p)}
    )


def _ascending(name: str, what: str, values: Sequence[int] | None, least: int) -> list[int] | None:
    if values is None:
        return None
    try:
        numbers = [-1 if isinstance(value, bool) else index(value) for value in values]
    except TypeError:
        numbers = [-1]
    if numbers and (numbers[0] < least or numbers[-1] > MOST or numbers != sorted(set(numbers))):
        raise VideoError(f"{name}: {what} {values!r} must be ascending integers from {least}, each once; sort them")
    return numbers
