"""`map_graphs`: spiking graphs on the cores of a target, and whether they fit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from hardware.fit import Fit
from hardware.levers import Chain, Change, changes, fit_chain
from hardware.mesh import Traffic, input_traffic, layer_traffic
from hardware.target import Target
from hardware.tiling import wire
from hybridnet.errors import TargetError
from hybridnet.spiking import SpikingGraph


@dataclass(frozen=True, eq=False)
class LayerMapping:
    """One layer with neurons on its cores.

    part     the stream
    chain    the layers of its graph, of which this is number `index`
    first    number of its first core; they follow one another
    traffic  messages of its spikes
    """

    part: str
    chain: Chain
    index: int
    first: int
    traffic: Traffic

    @property
    def name(self) -> str:
        return self.chain.wirings[self.index].name

    @property
    def fit(self) -> Fit:
        """What its cores take, which limit binds, and why it does not fit if so."""
        return self.chain.fits[self.index]

    @property
    def chips(self) -> range:
        """Numbers of the chips that its cores are on."""
        each = self.chain.target.stated("cores")
        return range(self.first // each, (self.first + self.fit.cores.number - 1) // each + 1)

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """What would let it fit, or take fewer cores."""
        return changes(self.chain, self.index)


@dataclass(frozen=True, eq=False)
class ChipMapping:
    """All graphs of a bundle on one system.

    target  the chip
    layers  in order, stream by stream
    inputs  messages of each stream's input
    """

    target: Target
    layers: tuple[LayerMapping, ...]
    inputs: tuple[Traffic, ...]

    @property
    def cores(self) -> int:
        return sum(layer.fit.cores.number for layer in self.layers)

    @property
    def chips(self) -> int:
        return -(-self.cores // self.target.stated("cores"))

    @property
    def traffic(self) -> tuple[Traffic, ...]:
        """Messages of every layer's spikes, inputs apart."""
        return tuple(layer.traffic for layer in self.layers)

    def broken(self) -> Iterator[str]:
        """A line for every layer that does not fit, and for a whole that is too large: place, rule, value, remedy."""
        for layer in self.layers:
            if layer.fit.broken:
                remedies = " or ".join(map(str, layer.changes)) or "make the layer smaller"
                yield f"{layer.part}/{layer.name}: breaks {layer.fit.broken}; {remedies}"
        limit = self.target.count("chips")
        if limit is not None and self.chips > limit:
            largest = max(self.layers, key=lambda layer: layer.fit.cores.number)
            remedies = " or ".join(map(str, largest.changes)) or "make it smaller"
            yield (
                f"{largest.part}/{largest.name}: breaks rule chips: it is the largest of what takes {self.chips:,} "
                f"chips, over the limit of {limit:,}; {remedies}"
            )


def map_graphs(graphs: Mapping[str, SpikingGraph], target: Target) -> ChipMapping:
    """Cut every layer of every graph, number the cores in that order, and count messages.

    TargetError for a target without limits. What does not fit is mapped all the same, in the smallest boxes there are.
    """
    if not target.limits:
        raise TargetError(f"target {target.name}: has prices but no limits, so nothing can be mapped to it")
    layers: list[LayerMapping] = []
    inputs = []
    first = 0
    for part, graph in graphs.items():
        chain = fit_chain(wire(graph, target), target)
        inputs.append(input_traffic(part, chain.fits[0].cores))
        for index, found in enumerate(chain.fits):
            following = chain.fits[index + 1].cores if index + 1 < len(chain.fits) else None
            traffic = layer_traffic(part, found.cores, first, following, target)
            layers.append(LayerMapping(part, chain, index, first, traffic))
            first += found.cores.number
    return ChipMapping(target, tuple(layers), tuple(inputs))


def check_fit(graphs: Mapping[str, SpikingGraph], target: Target) -> None:
    """TargetError on the first layer that does not fit: its rule, value and limit, and what to change."""
    for line in map_graphs(graphs, target).broken():
        raise TargetError(f"{line}; or leave the check out, with --no-fit-check")
