"""Rules of the cores: how much of a core a box of a layer takes, and the largest boxes that keep every rule.

One function per rule, named as the rule and as its limit in the target file; an unpublished limit is not checked.
Boxes are searched as Lava's compiler for Loihi 2 cuts (its published table is in docs/mapping.md): all rows and
channels of 2^k columns, the widest first; within one column rows, and within one place channels, are cut into as many
pieces as the worst rule is overdrawn times, until none is.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from math import ceil, prod

import numpy as np

from hardware.target import Target
from hardware.tiling import Cores, Tiling, Wiring, cut


@dataclass(frozen=True)
class Load:
    """What a rule found on the fullest core: `used` of `limit`, which is None where it is unpublished."""

    rule: str
    used: int
    limit: int | None

    @property
    def share(self) -> float:
        return 0.0 if self.limit is None else self.used / self.limit


def neurons_per_core(cores: Cores, target: Target) -> Load:
    """The neurons of a whole box, though boxes at the edge hold fewer, keep the limit."""
    return Load("neurons_per_core", prod(cores.tiling.box), target.count("neurons_per_core"))


def synapse_memory(cores: Cores, target: Target) -> Load:
    """The synapses of a core's neurons, by the formulas of `hardware.tiling`, fit its synapse memory."""
    return Load("synapse_memory", int(cores.synapse_bits.max()), target.count("synapse_memory"))


def axons_in(cores: Cores, target: Target) -> Load:
    """Inputs that a core's neurons read: places where the kernel is shared, single neurons where it is unrolled."""
    return Load("axons_in", int(cores.axons_in.max()), target.count("axons_in"))


def axons_out(cores: Cores, target: Target) -> Load:
    """Pairs of a core's neuron and a core it sends to, times axon_slots where that core shares its kernel."""
    return Load("axons_out", int(cores.axons_out.max()), target.count("axons_out"))


RULES: tuple[Callable[[Cores, Target], Load], ...] = (neurons_per_core, synapse_memory, axons_in, axons_out)


@dataclass(frozen=True, eq=False)
class Fit:
    """A layer on cores.

    cores    what they take
    loads    one per rule, of the fullest core
    binding  the rule that refused larger boxes; None if the layer is on one core
    broken   why it does not fit, as "rule fan_in ...: what, and what it takes"; None if it does
    """

    cores: Cores
    loads: tuple[Load, ...]
    binding: str | None
    broken: str | None

    def shares(self) -> np.ndarray:
        """float64 (x, y, c): how full every core is, by the limit it is closest to."""
        cores = self.cores
        used = {
            "neurons_per_core": cores.neurons,
            "synapse_memory": cores.synapse_bits,
            "axons_in": cores.axons_in,
            "axons_out": cores.axons_out,
        }
        limits = {load.rule: load.limit for load in self.loads}
        shares = [values / limit for rule, values in used.items() if (limit := limits[rule]) is not None]
        return np.max(shares, axis=0) if shares else np.zeros(cores.neurons.shape)


def fit(wiring: Wiring, following: Cores | None, target: Target) -> Fit:
    """The layer on the fewest cores, its kernel held in the way of the target's `kernels` that needs them."""
    kernels = target.kernels if wiring.kind == "conv" else ("unrolled",)
    fits = [_fit(wiring, kernel, following, target) for kernel in kernels]
    return min(fits, key=lambda found: (found.broken is not None, found.cores.number))


def fan_in(cores: Cores, target: Target) -> str | None:
    """All synapses of a neuron are on its core: what a box of one neuron reads keeps the limits of a core."""
    over = [load for load in (synapse_memory(cores, target), axons_in(cores, target)) if load.share > 1]
    if not over or prod(cores.tiling.box) > 1:
        return None
    worst = max(over, key=lambda load: load.share)
    return f"one neuron by itself takes {worst.used:,} of {worst.rule}, over the limit of {worst.limit:,}"


def _fit(wiring: Wiring, kernel: str, following: Cores | None, target: Target) -> Fit:
    binding = None
    search = _boxes(wiring, kernel)
    tiling = next(search)
    while True:
        cores = cut(wiring, tiling, following, target)
        loads = tuple(rule(cores, target) for rule in RULES)
        worst = max(loads, key=lambda load: load.share)
        if worst.share <= 1:
            return Fit(cores, loads, binding, None)
        binding = worst.rule
        try:
            tiling = search.send(worst.share)
        except StopIteration:
            why = fan_in(cores, target)
            broken = f"rule fan_in: {why}" if why else f"rule {worst.rule}: {worst.used:,} is over {worst.limit:,}"
            return Fit(cores, loads, binding, broken)


def _boxes(wiring: Wiring, kernel: str) -> Generator[Tiling, float, None]:
    """Ever smaller boxes; what is sent is how many times the worst rule was overdrawn."""
    channels, rows, columns = wiring.outputs
    wide = 1 << (columns - 1).bit_length()
    over = yield Tiling(channels, rows, wide, kernel)
    while wide > 1:
        wide //= 2
        over = yield Tiling(channels, rows, wide, kernel)
    pieces = 1
    while pieces < rows:
        pieces = min(rows, pieces * ceil(over))
        over = yield Tiling(channels, ceil(rows / pieces), 1, kernel)
    pieces = 1
    while pieces < channels:
        pieces = min(channels, pieces * ceil(over))
        over = yield Tiling(ceil(channels / pieces), 1, 1, kernel)
