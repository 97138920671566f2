"""`Price` and `Memory`: what an operation or an access costs, with source and grade of evidence."""

from collections.abc import Iterable
from dataclasses import dataclass

from hardware.operations import ACCESSES, KINDS, OPERATIONS

EVIDENCE = ("measured", "published simulation", "derived", "assumed")
PRICED = (
    *(operation for operation in OPERATIONS if operation not in ACCESSES),
    *(f"{operation}_{kind}" for operation, kinds in KINDS.items() for kind in kinds),
)
WORD = 64  # bits of the access that a memory's value is the energy of


@dataclass(frozen=True)
class Price:
    """Energy of one operation.

    value      pJ per operation, positive
    source     where the number is stated
    evidence   "measured", "published simulation", "derived" or "assumed"
    includes   operations that are paid with it, such as the accesses of a synaptic operation
    """

    value: float
    source: str
    evidence: str
    note: str = ""
    unit: str = "pJ"
    includes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Memory:
    """Energy of one access to a memory.

    value      pJ per 64 bits, positive
    capacity   bytes; None for the memory off the chip, which holds anything
    """

    value: float
    source: str
    evidence: str
    capacity: int | None = None
    note: str = ""
    unit: str = "pJ/64bit"

    def access(self, bits: int) -> float:
        """pJ of an access of `bits`."""
        return self.value * bits / WORD


def smallest_that_holds(memories: Iterable[Memory], size: int) -> Memory | None:
    """Of the memories on the chip: the smallest that holds `size` bytes, or the largest, worked in tile by tile."""
    on_chip = sorted((m for m in memories if m.capacity is not None), key=lambda m: m.capacity or 0)
    return next((m for m in on_chip if (m.capacity or 0) >= size), on_chip[-1] if on_chip else None)
