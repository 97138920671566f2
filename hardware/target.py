"""`Target`: a chip or an energy regime as data, read from a TOML file.

A file holds `name`, `description`, beside prices alone maybe `chip`, and tables of three kinds, of which it needs the
first or the second:

    [limits.<limit>]       value, unit, source, note (optional); all of LIMITS or none, for every rule needs its limit
    [prices.<operation>]   value, unit = "pJ", source, evidence, note and includes (optional); an operation may have no
                           price, or one for each of its kinds: [prices.<operation>_<kind>]
    [memories.<name>]      value, unit = "pJ/64bit", source, evidence, note (optional), and capacity in bytes, without
                           which it is the memory off the chip
"""

import sys
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn, cast

from hardware.limits import BIT_LIMITS, COUNT_LIMITS, COUNT_TOP, KINDS, LIMITS, STATED, UNPUBLISHED, Limit
from hardware.operations import OPERATIONS
from hardware.prices import EVIDENCE, PRICED, Memory, Price
from hybridnet.errors import TargetError

_SHIPPED = Path(__file__).parent / "targets"


@dataclass(frozen=True)
class Target:
    """A target: limits if graphs can be exported to it, prices of the operations whose energy is known.

    limits   by the names in LIMITS: all of them, or empty for a target that only has prices
        weight_bits      width of a weight, sign included
        weight_exponent  shared exponent e: weights are multiples of 2^e
        decay_bits       width of decay_u and decay_v, unsigned
        threshold_bits   width of the threshold, unsigned
        bias_bits        width of the bias, sign included
        state_bits       width of u and v, sign included
        input_bits       width of an input element: 1 for binary spikes, more for graded ones, sign included
        resets           reset kinds of a spiking neuron, of "zero" and "subtract"
        readouts         how a readout's potential leaves, the preferred way first: "probed", a silent neuron is looked
                         into, or "graded", it sends its potential
      of a core
        neurons_per_core  neurons it holds
        synapse_memory    bits of its synapses; what they take is in `hardware.tiling`, from the next four
        synapse_word      bits of a word of it; every list of synapses begins a new one
        synapse_header    bits that every list has in front
        synapse_list      synapses of the longest list; more are several lists
        synapse_index     bits beside the weight of a synapse that is not of a shared kernel: which neuron it leads to
        axons_in          lists that spikes can be addressed to
        axons_out         pairs of a neuron and a core it sends to
        axon_slots        axons_out that such a pair takes where the kernel is shared, for the message names a channel
        kernels           how it can hold a convolution: "shared", every weight once, or "unrolled", as single synapses
      of a system: cores of a chip (tile_cores to a tile, tiles in a mesh of mesh_columns x mesh_rows), and chips
    prices   by the names in `hardware.prices.PRICED`; an operation that is absent has no known price
    memories by names of the file's own; accesses are priced by the memory they go to
    chip     name of the shipped target whose limits say how graphs are mapped under these prices; "" if it has limits
             of its own, or is no chip
    """

    name: str
    description: str
    limits: Mapping[str, Limit] = field(default_factory=dict)
    prices: Mapping[str, Price] = field(default_factory=dict)
    memories: Mapping[str, Memory] = field(default_factory=dict)
    chip: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "limits", MappingProxyType(dict(self.limits)))
        object.__setattr__(self, "prices", MappingProxyType(dict(self.prices)))
        object.__setattr__(self, "memories", MappingProxyType(dict(self.memories)))

    def bits(self, limit: str) -> int:
        """Value of one of BIT_LIMITS; the target must have limits."""
        return cast(int, self.limits[limit].value)

    def count(self, limit: str) -> int | None:
        """Value of one of COUNT_LIMITS, None if unpublished; the target must have limits."""
        value = self.limits[limit].value
        return None if value == UNPUBLISHED else cast(int, value)

    def stated(self, limit: str) -> int:
        """Value of one of the counts that are never unpublished; the target must have limits."""
        return cast(int, self.limits[limit].value)

    @property
    def kernels(self) -> tuple[str, ...]:
        """Ways in which a core can hold a convolution; the target must have limits."""
        return cast(tuple[str, ...], self.limits["kernels"].value)

    @property
    def resets(self) -> tuple[str, ...]:
        """Reset kinds of a spiking neuron; the target must have limits."""
        return cast(tuple[str, ...], self.limits["resets"].value)

    @property
    def readouts(self) -> tuple[str, ...]:
        """Ways in which a readout's potential leaves, the preferred one first; the target must have limits."""
        return cast(tuple[str, ...], self.limits["readouts"].value)


def list_targets() -> tuple[str, ...]:
    """Names of the targets that ship with the toolkit, sorted."""
    return tuple(sorted(path.stem for path in _SHIPPED.glob("*.toml")))


def load_target(name_or_path: str | Path) -> Target:
    """The shipped target of that name, or the one in a TOML file: a Path, or a string with a folder or ".toml" in it.

    TargetError for an unknown name and for a file that cannot be read, is not TOML, or breaks the form above; it names
    the file, the entry, its value and what is allowed.
    """
    path = _locate(name_or_path)
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise TargetError(f"{path}: cannot be read ({error.strerror}); give the path of a TOML file") from error
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, or nested past reason
        reason = str(error).splitlines()[0]
        raise TargetError(f"{path}: not a TOML file ({reason}); see the shipped targets for the form") from error
    return _Reader(path).target(table)


def _locate(name_or_path: str | Path) -> Path:
    if isinstance(name_or_path, Path) or name_or_path.endswith(".toml") or len(Path(name_or_path).parts) > 1:
        return Path(name_or_path)
    if name_or_path not in list_targets():
        known = ", ".join(list_targets())
        raise TargetError(f"target {name_or_path!r}: not known; choose one of {known}, or give the path of a TOML file")
    return _SHIPPED / f"{name_or_path}.toml"


@dataclass(frozen=True)
class _Reader:
    """Checks one file entry by entry."""

    path: Path

    def target(self, table: dict[str, Any]) -> Target:
        self._keys(
            "the file", table, required=("name", "description"), optional=("chip", "limits", "prices", "memories")
        )
        if "limits" not in table and "prices" not in table:
            self._fail("the file", "no limits and no prices", "at least one of them")
        return Target(
            name=self._text("name", table["name"]),
            description=self._text("description", table["description"]),
            limits=self._limits(table["limits"]) if "limits" in table else {},
            prices=self._prices(table["prices"]) if "prices" in table else {},
            memories=self._memories(table["memories"]) if "memories" in table else {},
            chip=self._chip(table) if "chip" in table else "",
        )

    def _chip(self, table: dict[str, Any]) -> str:
        if "limits" in table:
            self._fail("chip", repr(table["chip"]), "left out where there are limits")
        self._choice("chip", table["chip"], list_targets())
        return cast(str, table["chip"])

    def _limits(self, table: Any) -> dict[str, Limit]:
        self._keys("limits", table, required=LIMITS)
        limits = {name: self._limit(f"limits.{name}", name, table[name]) for name in LIMITS}
        room = prod(cast(int, limits[name].value) for name in ("mesh_columns", "mesh_rows", "tile_cores"))
        if cast(int, limits["cores"].value) > room:
            self._fail("limits.cores.value", f"{limits['cores'].value}", f"at most {room}, the places of the mesh")
        return limits

    def _limit(self, entry: str, name: str, table: Any) -> Limit:
        self._keys(entry, table, required=("value", "unit", "source"), optional=("note",))
        value = table["value"]
        if name in KINDS:
            self._choice(f"{entry}.unit", table["unit"], ("kind",))
            if not isinstance(value, list) or not value or any(kind not in KINDS[name] for kind in value):
                self._fail(f"{entry}.value", repr(value), f"a list of {_either(KINDS[name])}")
            value = tuple(value)
        elif name in COUNT_LIMITS:
            self._choice(f"{entry}.unit", table["unit"], (COUNT_LIMITS[name],))
            if (type(value) is not int or not 0 < value <= COUNT_TOP) and (value != UNPUBLISHED or name in STATED):
                known = "" if name in STATED else f' or "{UNPUBLISHED}"'
                self._fail(f"{entry}.value", repr(value), f"an integer in 1..{COUNT_TOP}{known}")
        else:
            self._choice(f"{entry}.unit", table["unit"], ("bit",))
            allowed = BIT_LIMITS[name]
            if type(value) is not int or value not in allowed:  # type(): TOML's true is an int to isinstance
                self._fail(f"{entry}.value", repr(value), f"an integer in {allowed.start}..{allowed.stop - 1}")
        return Limit(value, table["unit"], self._text(f"{entry}.source", table["source"]), self._note(entry, table))

    def _prices(self, table: Any) -> dict[str, Price]:
        self._keys("prices", table, optional=PRICED)
        return {name: self._price(f"prices.{name}", entry) for name, entry in table.items()}

    def _price(self, entry: str, table: Any) -> Price:
        value, source, evidence, note = self._cost(entry, table, "pJ", "includes")
        includes = table.get("includes", [])
        if not isinstance(includes, list) or any(name not in OPERATIONS for name in includes):
            self._fail(f"{entry}.includes", repr(includes), f"a list of {', '.join(OPERATIONS)}")
        return Price(value, source, evidence, note, includes=tuple(includes))

    def _memories(self, table: Any) -> dict[str, Memory]:
        if not isinstance(table, dict):
            self._fail("memories", repr(table), "a table of memories")
        found = {name: self._memory(f"memories.{name}", entry) for name, entry in table.items()}
        if sum(memory.capacity is None for memory in found.values()) > 1:
            self._fail("memories", "two without capacity", "one at most, that off the chip")
        return found

    def _memory(self, entry: str, table: Any) -> Memory:
        value, source, evidence, note = self._cost(entry, table, "pJ/64bit", "capacity")
        capacity = table.get("capacity")
        if capacity is not None and (type(capacity) is not int or capacity < 1):
            self._fail(f"{entry}.capacity", repr(capacity), "a positive number of bytes")
        return Memory(value, source, evidence, capacity, note)

    def _cost(self, entry: str, table: Any, unit: str, *more: str) -> tuple[float, str, str, str]:
        self._keys(entry, table, required=("value", "unit", "source", "evidence"), optional=("note", *more))
        value = table["value"]
        if type(value) not in (int, float) or not 0 < value <= sys.float_info.max:
            self._fail(f"{entry}.value", repr(value), f"a positive number of {unit}; leave an unknown price out")
        self._choice(f"{entry}.unit", table["unit"], (unit,))
        self._choice(f"{entry}.evidence", table["evidence"], EVIDENCE)
        return float(value), self._text(f"{entry}.source", table["source"]), table["evidence"], self._note(entry, table)

    def _keys(self, entry: str, table: Any, required: Collection[str] = (), optional: Collection[str] = ()) -> None:
        allowed = (*required, *optional)
        if not isinstance(table, dict):
            self._fail(entry, repr(table), f"a table of {', '.join(allowed)}")
        for key in table:
            if key not in allowed:
                self._fail(entry, f"unknown entry {key!r}", f"one of {', '.join(allowed)}")
        for key in required:
            if key not in table:
                self._fail(entry, f"no entry {key!r}", f"there, with all of {', '.join(required)}")

    def _choice(self, entry: str, value: Any, allowed: tuple[str, ...]) -> None:
        if value not in allowed:
            self._fail(entry, repr(value), _either(allowed))

    def _text(self, entry: str, value: Any) -> str:
        if not isinstance(value, str) or not value.strip() or not value.isprintable():  # it is printed within lines
            self._fail(entry, repr(value), "a text of one printable line that is not empty")
        return value

    def _note(self, entry: str, table: dict[str, Any]) -> str:
        return self._text(f"{entry}.note", table["note"]) if "note" in table else ""

    def _fail(self, entry: str, value: str, allowed: str) -> NoReturn:
        raise TargetError(f"{self.path}: {entry}: {value}, must be {allowed}")


def _either(words: Collection[str]) -> str:
    return " or ".join(f'"{word}"' for word in words)
