"""What to change so that a layer fits, or takes fewer cores: every proposal was mapped, none is guessed.

stride    of the layer, or of the convolution before a layer that reads too much
channels  of the layer, or of the layer before one that reads too much
bits      of the layer's weights, where synapse memory binds
split     of what one neuron reads into so many parts, each read by neurons of their own, for a layer that does not fit
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, prod

from hardware.fit import Fit, fit
from hardware.target import Target
from hardware.tiling import Cores, Wiring

STRIDES = 16  # the largest that is tried


@dataclass(frozen=True)
class Change:
    """A change of one layer, and the cores that the layer it is meant for takes then."""

    lever: str
    layer: str
    before: int
    after: int
    cores: int

    def __str__(self) -> str:
        what = f"split what a neuron of {self.layer} reads into {self.after}"
        if self.lever != "split":
            what = f"{self.lever} {self.after} instead of {self.before} in {self.layer}"
        return f"{what} ({self.cores:,} core{'' if self.cores == 1 else 's'})"


@dataclass(frozen=True, eq=False)
class Chain:
    """A graph's wirings on a target, and how each of them fits."""

    wirings: tuple[Wiring, ...]
    fits: tuple[Fit, ...]
    target: Target


def fit_chain(wirings: Sequence[Wiring], target: Target) -> Chain:
    """Fits a graph's layers from the last on, for axons depend on the cores that follow."""
    fits: list[Fit] = []
    following: Cores | None = None
    for wiring in reversed(wirings):
        fits.insert(0, fit(wiring, following, target))
        following = fits[0].cores
    return Chain(tuple(wirings), tuple(fits), target)


def changes(chain: Chain, index: int) -> tuple[Change, ...]:
    """The smallest change of each kind that lets a layer fit; for one that fits on several cores, what saves some."""
    now = chain.fits[index]
    if not now.broken and now.cores.number == 1:
        return ()
    return tuple(_proposals(chain.wirings, now, index, chain.target))


def _proposals(wirings: Sequence[Wiring], now: Fit, index: int, target: Target) -> Iterator[Change]:
    def cores(at: int, **change: int) -> int | None:
        """Cores of the layer once another is changed so; None if it cannot be, does not fit, or saves nothing."""
        changed = _rewire(wirings, at, **change)
        found = None if changed is None else fit_chain(changed[index:], target).fits[0]
        if found is None or found.broken or (not now.broken and found.cores.number >= now.cores.number):
            return None
        return found.cores.number

    def smallest(lever: str, at: int, before: int, values: Sequence[int]) -> Iterator[Change]:
        """The first value that helps, of values whose change grows: what helps is taken to go on helping."""
        best = cores(at, **{lever: values[-1]}) if values else None
        if best is None:
            return
        low, high = 0, len(values) - 1
        while low < high:
            middle = (low + high) // 2
            found = cores(at, **{lever: values[middle]})
            if found is None:
                low = middle + 1
            else:
                best, high = found, middle
        yield Change(lever, wirings[at].name, before, values[high], best)

    convs = [i for i in range(index if now.broken else index + 1) if wirings[i].kind == "conv"]
    if convs and (now.broken or convs[-1] == index):
        stride = max(wirings[convs[-1]].stride)
        largest = max(n for n in range(stride, STRIDES + 1) if n == stride or _rewire(wirings, convs[-1], stride=n))
        yield from smallest("stride", convs[-1], stride, range(stride + 1, largest + 1))
    at = index - 1 if now.broken else index
    if at >= 0 and wirings[at].kind != "input" and wirings[at].groups == 1:
        channels = wirings[at].outputs[0]
        yield from smallest("channels", at, channels, range(channels - 1 if now.broken else channels // 2, 0, -1))
    if now.binding == "synapse_memory":
        bits = wirings[index].weight_bits
        yield from smallest("bits", index, bits, range(bits - 1, 0, -1))
    if now.broken:
        channels = wirings[index].inputs[0]
        yield from smallest("split", index, 1, range(2, channels + 1))


def _rewire(
    wirings: Sequence[Wiring], at: int, *, stride: int = 0, channels: int = 0, bits: int = 0, split: int = 0
) -> list[Wiring] | None:
    """The chain with one layer changed and all that follow fitted to it; None where a kernel no longer fits."""
    chain = list(wirings)
    if split:
        inputs = (ceil(chain[at].inputs[0] / split), *chain[at].inputs[1:])
        chain[at] = replace(chain[at], inputs=inputs, groups=1)
        return chain
    changed = chain[at]
    chain[at] = replace(
        changed,
        stride=(stride, stride) if stride else changed.stride,
        outputs=(channels or changed.outputs[0], *changed.outputs[1:]),
        weight_bits=bits or changed.weight_bits,
    )
    for i in range(at, len(chain)):
        if i > at:
            given = chain[i - 1].outputs
            chain[i] = replace(chain[i], inputs=(prod(given), 1, 1) if chain[i].kind == "dense" else given)
        if chain[i].kind == "conv":
            size = _sizes(chain[i])
            if size is None or (i > at and chain[i].inputs[0] % chain[i].groups):
                return None
            chain[i] = replace(chain[i], outputs=(chain[i].outputs[0], *size))
    return chain


def _sizes(wiring: Wiring) -> tuple[int, int] | None:
    sizes = []
    for axis in (0, 1):
        room = wiring.inputs[axis + 1] + 2 * wiring.padding[axis]
        room -= wiring.dilation[axis] * (wiring.kernel[axis] - 1) + 1
        if room < 0:
            return None
        sizes.append(room // wiring.stride[axis] + 1)
    return sizes[0], sizes[1]
