"""Fields of a config against their annotations, for dataclasses that check themselves."""

import math
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints


class Misfit(NamedTuple):
    """A field whose value is not of its type, and what it must be, in words."""

    name: str
    value: Any
    demand: str


def find_misfit(config: Any) -> Misfit | None:
    """The first field of a dataclass that is not of its type; None if all are.

    An int will do for a float, a bool for neither, and a float is finite. A tuple is one of numbers.
    """
    for name, kind in get_type_hints(type(config)).items():
        value = getattr(config, name)
        if get_origin(kind) is Literal:
            good, demand = type(value) is str and value in get_args(kind), any_of(get_args(kind))
        elif get_origin(kind) is tuple:
            good, demand = isinstance(value, tuple) and all(map(_is_number, value)), "a list of numbers"
        elif kind is float:
            good, demand = _is_number(value), "a number"
        else:
            good, demand = type(value) is kind, _KINDS[kind]
        if not good:
            return Misfit(name, value, f"must be {demand}")
    return None


def any_of(values: Iterable[Any]) -> str:
    """Such as "1, 2 or 3"."""
    *others, last = map(str, values)
    return f"{', '.join(others)} or {last}" if others else last


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


_KINDS = {str: "a string", int: "an integer", bool: "true or false"}
