"""Operations: what ran, part by part and layer by layer, before any price is put on it.

mac                 one multiply-accumulate: a value times a weight. One MAC is not two FLOPs here. Of kind "int8" in
                    the spiking partition, whose input is graded in integers, and of no kind in float32
synaptic_operation  one accumulate: a binary spike adds a weight to a membrane; of a "conv" or a "dense" layer
membrane_update     one neuron's leak, integration and threshold test in one step: "active" if its potential is not zero
                    afterwards or it spiked, "inactive" otherwise, of no kind where that was not recorded
spike               one neuron that fires: its reset, and what it takes to send
message             one spike that goes to one core; counted where there is a mapping
hop                 one message on its way from one tile of a chip to the next; counted where there is a mapping
weight_read, potential_access, activation_read, activation_write     one element that goes to or from a working memory
weight_fetch        one weight that comes from off the chip, for there is no room to keep it between runs
bridge_access       one potential that is written or read where it crosses from the spiking to the conventional side
time_step           one step of the whole chip: its static power times the step's length

Accesses have no price of their own but that of the memory that holds the array, see `Store`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from hybridnet.errors import TargetError

KINDS: dict[str, tuple[str, ...]] = {
    "mac": ("int8",),
    "synaptic_operation": ("conv", "dense"),
    "membrane_update": ("active", "inactive"),
    "hop": ("east_west", "north_south"),
}
ON_CHIP = ("weight_read", "potential_access", "activation_read", "activation_write")
OFF_CHIP = ("weight_fetch", "bridge_access")
ACCESSES = (*ON_CHIP, *OFF_CHIP)
OPERATIONS = ("mac", "synaptic_operation", "membrane_update", "spike", "message", "hop", *ACCESSES, "time_step")


@dataclass(frozen=True)
class Store:
    """The array that an access goes to.

    size   bytes of the whole array: the memory must hold it
    word   bits that one access moves
    """

    size: int
    word: int


@dataclass(frozen=True)
class Count:
    """How often one layer of one part did one operation.

    part       a spiking stream or the conventional partition, as the bundle names it
    layer      layer of a spiking graph, or node of the conventional one
    operation  one of OPERATIONS
    count      0 or more; TargetError otherwise
    kind       one of KINDS[operation], or "" where there is none or it is not known
    store      of ACCESSES, and of them alone
    """

    part: str
    layer: str
    operation: str
    count: int
    kind: str = ""
    store: Store | None = None

    def __post_init__(self) -> None:
        place = f"{self.part}/{self.layer}"
        if self.operation not in OPERATIONS:
            known = ", ".join(OPERATIONS)
            raise TargetError(f"{place}: operation {self.operation!r} is not known; use one of {known}")
        if not isinstance(self.count, int) or self.count < 0:
            raise TargetError(f"{place}: {self.operation} count {self.count!r} must be an integer of 0 or more")
        kinds = ("", *KINDS.get(self.operation, ()))
        if self.kind not in kinds:
            known = " or ".join(map(repr, kinds))
            raise TargetError(f"{place}: {self.operation} of kind {self.kind!r} is not known; use {known}")
        if (self.store is not None) != (self.operation in ACCESSES):
            found = "needs a" if self.store is None else "goes to no"
            raise TargetError(f"{place}: {self.operation} {found} store; fix the count")

    @property
    def name(self) -> str:
        """The operation with its kind, as prices are named: "synaptic_operation_conv"."""
        return f"{self.operation}_{self.kind}" if self.kind else self.operation


def add_counts(counts: Iterable[Count]) -> list[Count]:
    """Counts that differ in their number only made one, in order of first appearance."""
    totals: dict[Count, int] = {}
    for count in counts:
        key = replace(count, count=0)
        totals[key] = totals.get(key, 0) + count.count
    return [replace(key, count=total) for key, total in totals.items()]
