"""A picture of what an STM remembers: membrane potentials over the P-frames of a clip, beside the pictures themselves.

After the paper's Figure 5. The readout's potential after the last P-frame is what crosses the bridge.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

import numpy as np

from deploy.pictures.sheet import GREY, MARGIN, Sheet, new_sheet, require_matplotlib
from deploy.runtime import Runtime, use_clips
from deploy.transcoded import transcoding_recipe
from hybridnet.errors import VideoError
from hybridnet.spiking import POTENTIAL_UNITS, SpikingGraph
from hybridnet.trace import Trace
from hybridnet.video import Clip, probe
from hybridnet.video.pictures import Pictures
from hybridnet.video.probe import open_video
from hybridnet.video.sampling import INPUT_LIMIT, nearest_indices

COLUMNS = 6  # steps drawn, at most; the last one always
CHANNELS = 3  # of each stream, those whose potential moves most
INPUTS = {"motion": "x and y", "residual": "the colours"}

# Lengths in pixels of the PNG.
CELL, GAP = 120, 6
LABEL, BAR = 132, 70  # room at the left for names, at the right for colour bars
TOP, HEADING = 84, 30


def draw_features(runtime: Runtime, video: Path, number: int, png: Path) -> list[int]:
    """Draw clip `number` (from 0) of a video into `png`, whole or not at all; returns the steps drawn, from 1.

    Raises BackendError without matplotlib, VideoError for a video or clip that cannot be drawn, OutputError for a place
    that cannot be written.
    """
    require_matplotlib()

    def run(clips: Iterator[Clip]) -> tuple[Clip, Mapping[str, Trace]]:
        clip = next(islice(clips, number, None), None)
        if clip is None:
            raise VideoError(f"{video}: has no clip {number}; choose a smaller --clip")
        with runtime.simulator(("v",)) as simulate:
            return clip, simulate(clip)

    preprocessing = runtime.bundle.manifest.preprocessing
    (clip, traces), transcoded = use_clips(video, preprocessing, run)
    last = preprocessing.steps
    steps = np.linspace(1, last, min(COLUMNS, last)).round().astype(int)
    lengths = (transcoding_recipe(preprocessing).gop,) * clip.gop if transcoded else probe(video).gop_lengths
    start = sum(lengths[: clip.gop])
    shown = _pictures(video, [start + step for step in steps], clip.iframe.shape[1], preprocessing.short_side)
    untrained = "" if runtime.bundle.manifest.training else "; the weights are untrained"
    what = f"clip {number}, of GOP {clip.gop}: P-frames, and the readout's membrane potentials after each{untrained}"
    _compose(video.name, what, clip, steps, shown, runtime.bundle.graphs, traces).save(png)
    return steps.tolist()


def _pictures(video: Path, wanted: list[int], size: int, short_side: int) -> list[np.ndarray]:
    """The pictures of these indices, ascending, uint8 (S,S,3), cropped as clips are; fewer if the video ends before."""
    container, stream = open_video(video)
    found = []
    with container:
        for index, frame in enumerate(islice(Pictures(video, container, stream), wanted[-1] + 1)):
            if index in wanted:
                found.append(_cropped(frame.to_ndarray(format="rgb24"), size, short_side))
    return found


def _cropped(picture: np.ndarray, size: int, short_side: int) -> np.ndarray:
    short = min(picture.shape[:2])
    lengths = [(2 * length * short_side + short) // (2 * short) for length in picture.shape[:2]]
    rows, columns = (
        nearest_indices(length, resized)[(resized - size) // 2 :][:size]
        for length, resized in zip(picture.shape[:2], lengths, strict=True)
    )
    return picture[rows[:, None], columns]


def _compose(
    name: str,
    what: str,
    clip: Clip,
    steps: np.ndarray,
    pictures: list[np.ndarray],
    graphs: Mapping[str, SpikingGraph],
    traces: Mapping[str, Trace],
) -> Sheet:
    block = HEADING + (1 + CHANNELS) * (CELL + GAP)
    sheet = new_sheet(
        2 * MARGIN + LABEL + len(steps) * (CELL + GAP) + BAR, TOP + CELL + len(graphs) * block + 2 * MARGIN
    )
    sheet.title(name)
    sheet.text(MARGIN, 42, what)
    for column, step in enumerate(steps):
        sheet.text(_left(column), TOP - 12, f"P-frame {step}", fontsize=9, color="black")
    sheet.text(MARGIN, TOP + CELL / 2, "picture", fontsize=9)
    for column, picture in enumerate(pictures):
        sheet.image(_left(column), TOP, CELL, CELL, picture)
    top = TOP + CELL
    for stream, graph in graphs.items():
        _draw_stream(sheet, top, stream, graph, getattr(clip, stream), traces[stream], steps)
        top += block
    return sheet


def _left(column: int) -> int:
    return MARGIN + LABEL + column * (CELL + GAP)


def _draw_stream(
    sheet: Sheet, top: int, stream: str, graph: SpikingGraph, x: np.ndarray, trace: Trace, steps: np.ndarray
) -> None:
    """A row of inputs (T,C,S,S), then a row a channel of the potentials."""
    readout = graph.layers[-1]
    real = trace.v[readout.name] * (readout.scale / POTENTIAL_UNITS)
    heading = stream if real.any() else f"{stream}: every potential is 0 in this clip, --clip draws another"
    sheet.text(MARGIN, top + HEADING / 2 + 2, heading, fontsize=11, color="black")
    moving = np.ptp(real, axis=0).max(axis=(1, 2))
    chosen = np.sort(np.argsort(-moving, kind="stable")[:CHANNELS])
    limit = float(np.abs(real[:, chosen]).max()) or 1.0
    largest = abs(x.astype(np.int16)).max(axis=1)
    rows = [(f"input,\nlargest of\n{INPUTS[stream]}", largest, "cividis", 0.0, float(INPUT_LIMIT))]
    rows += [(f"potential,\nchannel {channel}", real[:, channel], "RdBu_r", -limit, limit) for channel in chosen]
    for row, (label, values, colours, low, high) in enumerate(rows):
        y = top + HEADING + row * (CELL + GAP)
        sheet.text(MARGIN, y + CELL / 2, label, fontsize=8.5)
        for column, step in enumerate(steps):
            axes = sheet.axes(_left(column), y, CELL, CELL)
            image = axes.imshow(values[step - 1], cmap=colours, vmin=low, vmax=high, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_color("#bbbbbb")
        if row < 2:  # the channels share their scale
            bar = sheet.axes(_left(len(steps)), y, 10, CELL)
            sheet.figure.colorbar(image, cax=bar, format="%.3g")
            bar.tick_params(labelsize=7.5, colors=GREY, length=2, pad=2)
            bar.locator_params(nbins=4)
            bar.set_ylabel("int8" if row == 0 else "real units", fontsize=7.5, color=GREY)
