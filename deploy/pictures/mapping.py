"""A picture of a mapping: the cores of every chip where they lie, coloured by layer, the paler the emptier."""

from pathlib import Path

import numpy as np

from deploy.console import counted
from deploy.pictures.sheet import MARGIN, new_sheet, require_matplotlib
from hardware import ChipMapping, LayerMapping
from hardware.mesh import places

MOST_CHIPS = 16  # in one picture; what is beyond is said in words
ACROSS = 4  # chips in a row
CORE = 14  # side of a core in pixels, its gap included
GAP = 24  # between chips
TITLE = 56
LINE = 18  # of the legend
PALEST = 0.25  # colour of an empty core that is used
UNUSED = np.array([238, 238, 238])


def draw_mapping(mapping: ChipMapping, name: str, png: Path) -> None:
    """Draw the chips into `png`, whole or not at all; BackendError without matplotlib, OutputError for a bad place."""
    require_matplotlib()
    target = mapping.target
    columns, rows, tile_cores = (target.stated(limit) for limit in ("mesh_columns", "mesh_rows", "tile_cores"))
    side = int(np.ceil(np.sqrt(tile_cores)))
    chip = columns * side * CORE, rows * -(-tile_cores // side) * CORE
    drawn = min(mapping.chips, MOST_CHIPS)
    across, down = min(drawn, ACROSS), -(-drawn // ACROSS)
    top = TITLE + down * (chip[1] + GAP)
    width = max(2 * MARGIN + across * (chip[0] + GAP) - GAP, 560)
    sheet = new_sheet(width, top + LINE * (len(mapping.layers) + 1) + MARGIN)
    sheet.title(f"{name} on {target.name}")
    left_out = "" if drawn == mapping.chips else f", of which the first {drawn} are drawn"
    cores, chips = counted(mapping.cores, "core"), counted(mapping.chips, "chip")
    sheet.text(MARGIN, 40, f"{cores} on {chips}{left_out}; full colour is a full core")

    colours = _colours(len(mapping.layers))
    for number, pixels in enumerate(_chips(mapping, drawn, colours, side)):
        row, column = divmod(number, ACROSS)
        x, y = MARGIN + column * (chip[0] + GAP), TITLE + row * (chip[1] + GAP)
        sheet.text(x, y + 6, f"chip {number}")
        sheet.image(x, y + 14, chip[0], chip[1], pixels)
    for number, (layer, colour) in enumerate(zip(mapping.layers, colours, strict=True)):
        y = top + LINE * (number + 1)
        sheet.image(MARGIN, y - 5, 10, 10, colour[None, None].astype(np.uint8))
        sheet.text(MARGIN + 18, y, _legend(layer))
    sheet.save(png)


def _chips(mapping: ChipMapping, drawn: int, colours: np.ndarray, side: int) -> list[np.ndarray]:
    """uint8 (H,W,3) of every chip drawn; a core is a square with a white edge, tile_cores in rows of `side`."""
    target = mapping.target
    columns, rows, tile_cores = (target.stated(limit) for limit in ("mesh_columns", "mesh_rows", "tile_cores"))
    tall = -(-tile_cores // side)
    grids = np.tile(UNUSED, (drawn, rows * tall, columns * side, 1)).astype(float)
    for layer, colour in zip(mapping.layers, colours, strict=True):
        shares = np.clip(layer.fit.shares().ravel(), 0, 1)
        chip, x, y = places(layer.first, len(shares), target)
        within = (np.arange(layer.first, layer.first + len(shares)) % target.stated("cores")) % tile_cores
        seen = chip < drawn
        depth = (PALEST + (1 - PALEST) * shares)[seen, None]
        at = chip[seen], (y * tall + within // side)[seen], ((x - chip * columns) * side + within % side)[seen]
        grids[at] = 255 + depth * (colour - 255)
    return [_framed(grid) for grid in grids]


def _framed(grid: np.ndarray) -> np.ndarray:
    pixels = grid.repeat(CORE, axis=0).repeat(CORE, axis=1).astype(np.uint8)
    pixels[::CORE] = pixels[:, ::CORE] = 255
    return pixels


def _colours(number: int) -> np.ndarray:
    """(number, 3) RGB, neighbours far apart."""
    from matplotlib import colormaps

    return colormaps["tab10"](np.arange(number) % 10)[:, :3] * 255


def _legend(layer: LayerMapping) -> str:
    shares = layer.fit.shares()
    binds = f", {layer.fit.binding} binds" if layer.fit.binding else ""
    fits = ", DOES NOT FIT" if layer.fit.broken else binds
    return f"{layer.part}/{layer.name}: {counted(shares.size, 'core')}, {shares.mean():.0%} full on average{fits}"
