"""Where cores lie on the mesh, and how far spikes travel.

Cores are numbered layer by layer, and placed in that order: tile by tile of tile_cores, along the rows of tiles as the
ox ploughs (to the right, back to the left), chip after chip, the chips in a row. A spike is one message to every core
that reads it, along x first and then along y:

    hops = |x - x'| + |y - y'|      in tiles; x counts on from chip to chip
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from hardware.target import Target
from hardware.tiling import Cores, reach


@dataclass(frozen=True)
class Traffic:
    """Messages of a layer's neurons if each spiked once; per spike, divide by `neurons`.

    part, layer  the stream, and the layer whose neurons spike, or "input" for what comes from outside
    neurons      of the layer, or elements of the input
    messages     cores told, over all neurons
    hops_x, hops_y, crossings   tiles along each axis, and borders of chips, over all messages; None for an input, which
                 has no place on the mesh
    """

    part: str
    layer: str
    neurons: int
    messages: int
    hops_x: int | None
    hops_y: int | None
    crossings: int | None


def places(first: int, number: int, target: Target) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chip, x and y of `number` cores from `first` on; x and y in tiles, x counting on from chip to chip."""
    chip_cores, columns, tile_cores = (target.stated(name) for name in ("cores", "mesh_columns", "tile_cores"))
    chip, core = np.divmod(np.arange(first, first + number), chip_cores)
    y, x = np.divmod(core // tile_cores, columns)
    x = np.where(y % 2, columns - 1 - x, x)
    return chip, chip * columns + x, y


def layer_traffic(part: str, cores: Cores, first: int, following: Cores | None, target: Target) -> Traffic:
    """What the spikes of a layer, whose cores begin at number `first`, send to the layer that follows on theirs."""
    here = places(first, cores.number, target)
    there = places(first + cores.number, following.number if following else 0, target)
    c, y, x = reach(cores.wiring, cores.tiling, following)
    sums = np.zeros(4, np.int64)
    block = cores.number // len(x)
    for column, send in enumerate(x):  # a column of boxes at a time, so that no matrix of all pairs of cores is held
        messages = np.kron(np.kron(send[None], y), c)
        mine = slice(column * block, (column + 1) * block)
        chips, across, down = (np.abs(a[mine, None] - b) for a, b in zip(here, there, strict=True))
        sums += [messages.sum(), (messages * across).sum(), (messages * down).sum(), (messages * chips).sum()]
    return Traffic(part, cores.wiring.name, prod(cores.wiring.outputs), *(int(total) for total in sums))


def input_traffic(part: str, cores: Cores) -> Traffic:
    """What the elements of a graph's input send to its first layer, whose neurons they may be."""
    wiring, box = cores.wiring, cores.tiling.box
    if not wiring.weight_bits:
        return Traffic(part, "input", prod(wiring.inputs), prod(wiring.inputs), None, None, None)
    messages = prod(int((wiring.synapses(axis, box[axis]) > 0).sum()) for axis in range(3))
    return Traffic(part, "input", prod(wiring.inputs), messages, None, None, None)
