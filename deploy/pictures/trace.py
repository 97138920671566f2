"""A picture of what a clip made the spiking layers do: spike rasters, rates and events over the steps, potentials."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from deploy.pictures.sheet import GREY, MARGIN, Sheet, new_sheet
from hybridnet.spiking import POTENTIAL_UNITS, Layer, SpikingGraph
from hybridnet.trace import Trace

ROWS = 112  # of a raster, at most: so many neurons can be told apart
TICKS = 8  # along an axis, about
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito's: for every eye
MARKERS = "osD^vP"

# Lengths in pixels of the PNG.
COLUMNS = 4
PANEL = 224  # the side of a plot or a map, at most
CELL = (318, 312)  # room for a panel, its two lines, what stands along its axes
CORNER = (52, 42)  # of the panel in its cell
BAR = (8, 10)  # a colour bar: its gap and its width
TITLE = 58  # height of the picture's lines
HEADING = 34  # height of a stream's line

Panel = Callable[[Sheet, float, float], None]  # draws into the cell whose top left corner is (x, y)


def draw_traces(
    png: Path, name: str, what: str, graphs: Mapping[str, SpikingGraph], traces: Mapping[str, Trace]
) -> None:
    """Draw the traces of one clip into `png`, which appears whole or not at all.

    name     of the video
    what     which clip and backend, in words
    graphs   by stream
    traces   by stream, with spikes and v recorded

    Raises BackendError without matplotlib, OutputError for a place that cannot be written.
    """
    blocks = {stream: list(_panels(graph, traces[stream])) for stream, graph in graphs.items()}
    heights = [HEADING + -(-len(panels) // COLUMNS) * CELL[1] for panels in blocks.values()]
    sheet = new_sheet(2 * MARGIN + COLUMNS * CELL[0], TITLE + sum(heights) + MARGIN)
    sheet.title(name)
    sheet.text(MARGIN, 42, what)
    top = TITLE
    for (stream, panels), height in zip(blocks.items(), heights, strict=True):
        sheet.text(MARGIN, top + 14, stream, fontsize=11, color="black")
        for i, panel in enumerate(panels):
            panel(sheet, MARGIN + i % COLUMNS * CELL[0], top + HEADING + i // COLUMNS * CELL[1])
        top += height
    sheet.save(png)


def _panels(graph: SpikingGraph, trace: Trace) -> Iterator[Panel]:
    """Of one stream: a raster a layer, rates, events; then the room under every threshold, and the last potentials."""
    layers = [layer for layer, _, _, _ in graph.neuron_layers()]
    spiking = [layer for layer in layers if layer.threshold is not None]
    colours = {layer.name: COLOURS[i % len(COLOURS)] for i, layer in enumerate(layers)}
    for layer in spiking:
        yield partial(_draw_raster, layer.name, trace.spikes[layer.name], colours[layer.name])
    if spiking:
        rates = {layer.name: 100 * trace.spikes[layer.name].reshape(graph.steps, -1).mean(axis=1) for layer in spiking}
        yield partial(
            _draw_curves, "spike rate", "of a layer's neurons, how many spike in a step, in %", rates, colours
        )
    line = "arriving in a step: inputs times their synapses"
    yield partial(_draw_curves, "synaptic events", line, trace.events, colours)
    for layer in spiking:
        yield partial(_draw_headroom, layer, trace.spikes[layer.name], trace.v[layer.name])
    room = COLUMNS - (2 * len(spiking) + 1 + bool(spiking)) % COLUMNS
    yield from _potential_panels(layers[-1], trace.potential, room)


def _potential_panels(layer: Layer, potential: np.ndarray, room: int) -> Iterator[Panel]:
    """The last layer's potential in real units: over all channels, then of the strongest, `room` panels in all."""
    real = potential * (layer.scale / POTENTIAL_UNITS)
    limit = float(np.abs(real).max()) or 1.0
    if real.ndim == 1:
        yield partial(
            _draw_bars, f"{layer.name} potential", "real units, of every neuron after the last step", real, None
        )
        return
    strength = np.abs(real).max(axis=(1, 2))
    strongest = np.take_along_axis(real, np.abs(real).argmax(axis=0)[None], axis=0)[0]
    what = f"real units, after the last step, strongest of {len(real)} channels"
    yield partial(_draw_map, f"{layer.name} potential", what, strongest, "RdBu_r", (-limit, limit))
    for channel in np.argsort(-strength, kind="stable")[: room - 1]:
        title = f"{layer.name} potential, channel {channel}"
        yield partial(_draw_map, title, "real units, after the last step", real[channel], "RdBu_r", (-limit, limit))


def _draw_raster(name: str, spikes: np.ndarray, colour: str, sheet: Sheet, x: float, y: float) -> None:
    from matplotlib.colors import ListedColormap

    rows, channels = raster(spikes)
    each, neurons = len(rows) // len(channels), spikes[0].size
    chosen = f"{each} a channel, of those that spiked" if spikes.ndim == 4 else "evenly taken"
    which = f"all {neurons:,} neurons" if len(rows) == neurons else f"{len(rows):,} of {neurons:,} neurons: {chosen}"
    axes = _plot(sheet, x, y, f"{name} spikes", which)
    edges = (0.5, len(spikes) + 0.5, len(rows), 0)
    axes.imshow(rows, cmap=ListedColormap(["white", colour]), vmin=0, vmax=1, extent=edges, aspect="auto",
                interpolation="nearest")  # fmt: skip
    if each > 1:
        axes.hlines(np.arange(1, len(channels)) * each, *edges[:2], color="#dddddd", linewidth=0.5)
    shown = evenly(len(channels), TICKS)
    axes.set_yticks((shown + 0.5) * each, [str(channels[i]) for i in shown])
    axes.set_ylabel("channel" if spikes.ndim == 4 else "neuron", fontsize=8, labelpad=1)


def _draw_curves(
    title: str, line: str, curves: Mapping[str, np.ndarray], colours: Mapping[str, str],
    sheet: Sheet, x: float, y: float,
) -> None:  # fmt: skip
    """A line a layer over the steps."""
    from matplotlib.ticker import EngFormatter, ScalarFormatter

    axes = _plot(sheet, x, y, title, line)
    for i, (name, values) in enumerate(curves.items()):
        style = {"color": colours[name], "marker": MARKERS[i % len(MARKERS)], "markersize": 4, "linewidth": 1.2}
        axes.plot(np.arange(1, len(values) + 1), values, label=name, **style)
    highest = max(float(values.max()) for values in curves.values())
    axes.set_ylim(0, 1.25 * highest or 1)  # the layers' names stand on top
    axes.yaxis.set_major_formatter(EngFormatter(sep="") if highest >= 1000 else ScalarFormatter())
    axes.grid(axis="y", color="#eeeeee")
    axes.legend(loc="upper left", ncols=3, fontsize=7, frameon=False, handlelength=1.2, columnspacing=1)


def _draw_headroom(layer: Layer, spikes: np.ndarray, v: np.ndarray, sheet: Sheet, x: float, y: float) -> None:
    """How near every place or neuron came to its threshold in the clip: 1 where it spiked."""
    threshold = max(1, layer.threshold or 0) * POTENTIAL_UNITS
    share = np.where(spikes.any(axis=0), 1.0, np.clip(v.max(axis=0) / threshold, 0, 1))
    title = f"{layer.name}: highest potential / threshold"
    if share.ndim == 1:
        _draw_bars(title, "of every neuron in the clip, 1 where it spiked", share, 1.0, sheet, x, y)
    else:
        line = f"in the clip, mean of {len(share)} channels; 1 for a spike"
        _draw_map(title, line, share.mean(axis=0), "cividis", (0, 1), sheet, x, y)


def _draw_map(
    title: str, line: str, values: np.ndarray, colours: str, limits: tuple[float, float],
    sheet: Sheet, x: float, y: float,
) -> None:  # fmt: skip
    """Values (H,W) as an image that keeps its shape, beside its colour bar."""
    height, width = (round(PANEL * side / max(values.shape)) for side in values.shape)
    height, width = max(height, 8), max(width, 8)
    left, top = x + CORNER[0], y + CORNER[1]
    sheet.image(left, top, width, height, np.full((1, 1, 3), 255, np.uint8))
    axes = sheet.blank(left, top, width, height)
    image = axes.imshow(values, cmap=colours, vmin=limits[0], vmax=limits[1], interpolation="nearest", aspect="auto")
    bar = sheet.axes(left + width + BAR[0], top, BAR[1], height)
    sheet.figure.colorbar(image, cax=bar, format="%.4g")
    bar.tick_params(labelsize=7, colors=GREY, length=2, pad=1)
    bar.locator_params(nbins=5)
    _lines(sheet, x, y, title, line)


def _draw_bars(
    title: str, line: str, values: np.ndarray, limit: float | None, sheet: Sheet, x: float, y: float
) -> None:
    """Values (N,), a bar a neuron, and a dashed line at the limit."""
    axes = _plot(sheet, x, y, title, line)
    axes.bar(np.arange(len(values)), values, width=1.0, color=np.where(values < 0, COLOURS[0], COLOURS[1]))
    if limit is not None:
        axes.axhline(limit, color=GREY, linewidth=0.8, linestyle="--")
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_xlim(-0.5, len(values) - 0.5)
    axes.set_xlabel("neuron", fontsize=8, labelpad=1)


def _plot(sheet: Sheet, x: float, y: float, title: str, line: str) -> Any:
    """Axes with steps along the bottom, unless told otherwise."""
    _lines(sheet, x, y, title, line)
    axes = sheet.axes(x + CORNER[0], y + CORNER[1], PANEL, PANEL)
    axes.tick_params(labelsize=7, colors=GREY, length=2, pad=2)
    axes.spines[:].set_color("#bbbbbb")
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel("step", fontsize=8, labelpad=1)
    return axes


def _lines(sheet: Sheet, x: float, y: float, title: str, line: str) -> None:
    sheet.text(x + CORNER[0], y + CORNER[1] - 24, title, fontsize=8.5, color="black")
    sheet.text(x + CORNER[0], y + CORNER[1] - 9, line, fontsize=7)


def raster(spikes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A readable part of spikes bool (T,C,H,W) or (T,N): bool (rows, T), and the channels or neurons of the rows, (c,).

    Every channel has as many rows, at most ROWS in all: of its neurons that spiked, evenly taken; where fewer did, the
    rest stay empty. If there are more channels than ROWS, they too are evenly taken. The same spikes, the same rows.
    """
    steps, count = spikes.shape[:2]
    planes = spikes.reshape(steps, count, -1)
    channels = evenly(count, ROWS)
    each = min(ROWS // len(channels), planes.shape[2])
    rows = np.zeros((len(channels), each, steps), bool)
    for row, channel in zip(rows, channels, strict=True):
        fired = np.flatnonzero(planes[:, channel].any(axis=0))
        chosen = fired[evenly(len(fired), each)]
        row[: len(chosen)] = planes[:, channel, chosen].T
    return rows.reshape(-1, steps), channels


def evenly(count: int, most: int) -> np.ndarray:
    """`most` of the indices 0..count-1, evenly spaced from 0 on, or all of them if there are no more."""
    return np.arange(min(count, most)) * count // max(1, min(count, most))
