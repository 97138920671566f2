"""The energy ledger: count x price, row by row, with the grade of evidence beside every price.

    E = sum over rows of count * price * 1e-12 J

An operation without a price is no operation without a cost: its rows have no joules, it is named in `unpriced`, and the
total is that of the priced rows only.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from hardware.operations import OPERATIONS, Count
from hardware.target import Target, load_target

JOULES_PER_PICOJOULE = 1e-12

# NeuroBench's names of our operations. Its effective operations leave zero weights out, ours do not: an upper bound.
NEUROBENCH = {"mac": "Effective_MACs", "synaptic_operation": "Effective_ACs", "membrane_update": "MembraneUpdates"}


@dataclass(frozen=True)
class EnergyRow:
    """One count with its price.

    part, layer, operation, count   as in `Count`
    price_pj                        pJ per operation, None if the target has no price for it
    evidence, source                of the price, None without one
    joules                          count * price, None without a price
    """

    part: str
    layer: str
    operation: str
    count: int
    price_pj: float | None
    evidence: str | None
    source: str | None
    joules: float | None


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
        """Joules of the priced rows: a lower bound unless `unpriced` is empty."""
        return sum((row.joules for row in self.rows if row.joules is not None), 0.0)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Operations that were counted but have no price, each once."""
        return tuple(dict.fromkeys(row.operation for row in self.rows if row.price_pj is None))

    @property
    def priced(self) -> bool:
        """Whether any operation has a price; without one the total of 0 says nothing."""
        return any(row.price_pj is not None for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """For JSON: regime, total (J), unpriced, operation totals under NeuroBench's names, rows."""
        totals = dict.fromkeys(OPERATIONS, 0)
        for row in self.rows:
            totals[row.operation] += row.count
        return {
            "regime": self.regime,
            "total": self.total,
            "unpriced": list(self.unpriced),
            **{NEUROBENCH[operation]: total for operation, total in totals.items()},
            "rows": [asdict(row) for row in self.rows],
        }


def estimate_energy(counts: Iterable[Count], target: Target | str) -> EnergyReport:
    """Price every count with the target's prices; a name is loaded first (TargetError if it is not known)."""
    if isinstance(target, str):
        target = load_target(target)
    return EnergyReport(target.name, tuple(_price(count, target) for count in counts))


def _price(count: Count, target: Target) -> EnergyRow:
    price = target.prices.get(count.operation)
    if price is None:
        return EnergyRow(count.part, count.layer, count.operation, count.count, None, None, None, None)
    joules = count.count * price.value * JOULES_PER_PICOJOULE
    return EnergyRow(
        count.part, count.layer, count.operation, count.count, price.value, price.evidence, price.source, joules
    )
