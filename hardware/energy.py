"""The energy ledger: count x price, row by row, with the grade of evidence beside every price.

    E = sum over rows of count * price * 1e-12 J

An operation without a price is no operation without a cost: its rows have no joules, it is named in `unpriced`, and the
total is that of the priced rows only. Nor have the rows joules that another operation's price pays for.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from hardware.operations import OFF_CHIP, ON_CHIP, Count
from hardware.prices import Memory, Price, smallest_that_holds
from hardware.target import Target, load_target

JOULES_PER_PICOJOULE = 1e-12


@dataclass(frozen=True)
class EnergyRow:
    """One count with its price, or one measurement.

    part, layer, operation, count, kind   as in `Count`
    price_pj            pJ per operation, None if the target has no price for it
    evidence, source    of the price, None without one
    joules              count * price, or what was measured; None without either
    within              the operation whose price pays for this one, or None
    """

    part: str
    layer: str
    operation: str
    count: int
    price_pj: float | None
    evidence: str | None
    source: str | None
    joules: float | None
    kind: str = ""
    within: str | None = None

    @property
    def name(self) -> str:
        """The operation with its kind, as `Count.name`."""
        return f"{self.operation}_{self.kind}" if self.kind else self.operation


@dataclass(frozen=True)
class EnergyReport:
    """What the counts cost under one regime.

    regime   name of the target whose prices were used
    rows     one per count, in the order given
    """

    regime: str
    rows: tuple[EnergyRow, ...]

    @property
    def total(self) -> float:
        """Joules of the rows that have them: a lower bound unless `unpriced` is empty."""
        return sum((row.joules for row in self.rows if row.joules is not None), 0.0)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Operations that were counted but have no price, each once."""
        return tuple(dict.fromkeys(row.operation for row in self.rows if row.joules is None and row.within is None))

    @property
    def included(self) -> dict[str, str]:
        """Operations that were counted and are paid with another one: its name by theirs."""
        return {row.operation: row.within for row in self.rows if row.within is not None}

    @property
    def priced(self) -> bool:
        """Whether any row has joules; without one the total of 0 says nothing."""
        return any(row.joules is not None for row in self.rows)

    @property
    def parts(self) -> dict[str, float]:
        """Joules by part, in the order of the rows; a part of which nothing has a price is not there: it is not 0."""
        totals: dict[str, float] = {}
        for row in self.rows:
            if row.joules is not None:
                totals[row.part] = totals.get(row.part, 0.0) + row.joules
        return totals

    def to_dict(self) -> dict[str, Any]:
        """For JSON: regime, total (J), parts (J; None of which nothing has a price), unpriced, included, rows."""
        parts = self.parts
        return {
            "regime": self.regime,
            "total": self.total,
            "parts": {row.part: parts.get(row.part) for row in self.rows},
            "unpriced": list(self.unpriced),
            "included": self.included,
            "rows": [asdict(row) for row in self.rows],
        }


def estimate_energy(counts: Iterable[Count], target: Target | str) -> EnergyReport:
    """Price every count with the target's prices; a name is loaded first (TargetError if it is not known).

    A kind that has no price of its own has its operation's. An access has that of the smallest memory on the chip that
    holds its array, or of the memory off the chip.
    """
    if isinstance(target, str):
        target = load_target(target)
    within = {name: operation for operation, price in target.prices.items() for name in price.includes}
    return EnergyReport(target.name, tuple(_row(count, target, within) for count in counts))


def _row(count: Count, target: Target, within: dict[str, str]) -> EnergyRow:
    price_pj, found = _price(count, target)
    return EnergyRow(
        count.part,
        count.layer,
        count.operation,
        count.count,
        price_pj,
        found.evidence if found else None,
        found.source if found else None,
        None if price_pj is None else count.count * price_pj * JOULES_PER_PICOJOULE,
        count.kind,
        None if found else within.get(count.operation),
    )


def _price(count: Count, target: Target) -> tuple[float | None, Price | Memory | None]:
    if count.store is None:
        price = target.prices.get(count.name) or target.prices.get(count.operation)
        return (price.value, price) if price else (None, None)
    memory = None
    if count.operation in ON_CHIP:
        memory = smallest_that_holds(target.memories.values(), count.store.size)
    elif count.operation in OFF_CHIP:
        memory = next((m for m in target.memories.values() if m.capacity is None), None)
    return (memory.access(count.store.word), memory) if memory else (None, None)
