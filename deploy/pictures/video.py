"""A picture of the compressed domain, after the paper's Figure 2: raw motion and residual beside the accumulated."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from deploy.pictures.sheet import GREY, MARGIN, Sheet, new_sheet, require_matplotlib
from hybridnet.errors import VideoError
from hybridnet.video import Gop, Preprocessing, choose_gops, probe, read_gops
from hybridnet.video.probe import VideoSource, source_name

POSITIONS = (1, 4, 8, 11)  # P-frames drawn, 1-based
MOST_GOPS = 8  # in one picture, which would be taller than it is worth
LEAST_LIMIT = 4  # pixels of motion at full colour, however still the video
GAIN = 2  # residuals are drawn at twice their size around mid-grey

# Lengths in pixels of the PNG. A small video is enlarged by a whole number, so that its pixels stay squares.
PANEL = 256  # the longer side of a panel, at most
CELL = (44, 34)  # room for a panel, at least: its column's title, its row's
GAP = 6
PAIR_GAP = 18  # between motion and residual
TITLE = 78  # height of the picture's three lines
HEADING = 46  # height of a GOP's line and its columns' titles
BLOCK_GAP = 22
LABEL = 92  # width of the rows' titles
WHEEL = 200  # side of the square around the colour wheel


@dataclass(frozen=True, eq=False)
class _Block:
    """What is drawn of one GOP, of N P-frames; its pixels are thinned out where there are more than can be seen.

    heading     its index and its frames, in words
    iframe      uint8 (H,W,3) RGB
    positions   N of POSITIONS
    motion      int16 (2,N,H,W,2), raw and accumulated, (x,y) pixels
    residual    int16 (2,N,H,W,3), raw and accumulated, RGB
    """

    heading: str
    iframe: np.ndarray
    positions: tuple[int, ...]
    motion: np.ndarray
    residual: np.ndarray


def draw_gops(video: VideoSource, png: Path, *, gops: Sequence[int] = (), name: str = "") -> list[int]:
    """Draw GOPs of `video` into `png`, which appears whole or not at all; returns the indices of the GOPs, ascending.

    gops   0-based, up to MOST_GOPS, in any order; if empty, the first with all of POSITIONS, or the first of all if
           none is so long
    name   the picture's title; the video's name if empty

    Raises BackendError without matplotlib, VideoError for a video or GOP that cannot be drawn, OutputError for a place
    that cannot be written.
    """
    require_matplotlib()
    source = source_name(video)
    drawn = sorted(set(gops)) or [_first_full_gop(video)]
    if len(drawn) > MOST_GOPS:
        raise VideoError(
            f"{source}: {len(drawn)} GOPs do not fit one picture, at most {MOST_GOPS} do; give fewer --gop"
        )
    blocks = _read_blocks(video, drawn)
    _compose(name or Path(source).name, blocks).save(png)
    return drawn


def _first_full_gop(video: VideoSource) -> int:
    lengths = probe(video).gop_lengths
    return next(iter(choose_gops(lengths, Preprocessing(size=1, short_side=1, triplets=max(1, len(lengths))))), 0)


def _read_blocks(video: VideoSource, gops: list[int]) -> list[_Block]:
    # One after the other, for a file object has one place to be read at.
    raw = [_thinned(gop) for gop in read_gops(video, gops=gops, positions=POSITIONS, accumulate=False)]
    accumulated = [_thinned(gop) for gop in read_gops(video, gops=gops, positions=POSITIONS)]
    return [_block(source_name(video), *found) for found in zip(gops, raw, accumulated, strict=True)]


def _thinned(gop: Gop) -> Gop:
    every = slice(None, None, -(-max(gop.iframe.shape) // (2 * PANEL)))
    motion, residual = (field[:, every, every].copy() for field in (gop.motion, gop.residual))
    return replace(gop, iframe=gop.iframe[every, every].copy(), motion=motion, residual=residual)


def _block(name: str, index: int, raw: Gop, accumulated: Gop) -> _Block:
    if not raw.positions.size:
        raise VideoError(f"{name}: GOP {index} has no P-frame to draw; choose another with --gop")
    return _Block(
        heading=f"GOP {index}: frames {raw.start} to {raw.start + raw.length - 1}{', damaged' * accumulated.corrupt}",
        iframe=raw.iframe,
        positions=tuple(raw.positions.tolist()),
        motion=np.stack([gop.motion for gop in (raw, accumulated)]),
        residual=np.stack([gop.residual for gop in (raw, accumulated)]),
    )


def _compose(title: str, blocks: list[_Block]) -> Sheet:
    """A title, then a block a GOP: the I-frame on the left, a column a P-frame; the wheel under the first I-frame."""
    height, width = blocks[0].iframe.shape[:2]
    scale = PANEL / max(height, width)
    scale = scale if scale < 1 else int(scale)
    panel = max(1, round(width * scale)), max(1, round(height * scale))
    cell = max(panel[0], CELL[0]), max(panel[1], CELL[1])
    first = max(panel[0], WHEEL)
    columns = max(len(block.positions) for block in blocks)
    rows_height = 4 * cell[1] + 2 * GAP + PAIR_GAP
    first_height = max(rows_height, cell[1] + GAP + WHEEL)
    sheet = new_sheet(
        width=2 * MARGIN + first + LABEL + columns * (cell[0] + GAP),
        height=TITLE + len(blocks) * (HEADING + BLOCK_GAP) + first_height + (len(blocks) - 1) * rows_height,
    )
    sheet.title(title)
    sheet.text(MARGIN, 42, "raw: from the frame before; accumulated: from the I-frame")
    sheet.text(MARGIN, 58, f"residual at {GAIN} times its size, grey where it is zero")
    limit = motion_limit([block.motion[1] for block in blocks])
    top = TITLE
    for block in blocks:
        _draw_block(sheet, top, block, limit, panel, cell, first)
        if block is blocks[0]:
            _draw_wheel(sheet, MARGIN + (first - WHEEL) / 2, top + HEADING + cell[1] + GAP, limit)
        top += HEADING + (first_height if block is blocks[0] else rows_height) + BLOCK_GAP
    return sheet


def _draw_block(
    sheet: Sheet, top: int, block: _Block, limit: int, panel: tuple[int, int], cell: tuple[int, int], first: int
) -> None:
    """One GOP from `top` down; `panel` and `cell` are (width, height), `first` is the width of the I-frame's column."""
    sheet.text(MARGIN, top + 10, block.heading, fontsize=9, color="black")
    y = top + HEADING
    sheet.text(MARGIN + first / 2, y - 10, "I-frame", ha="center")
    sheet.image(MARGIN + (first - panel[0]) // 2, y + (cell[1] - panel[1]) // 2, *panel, block.iframe)
    left = MARGIN + first + LABEL + GAP
    for column, position in enumerate(block.positions):
        sheet.text(left + column * (cell[0] + GAP) + cell[0] / 2, y - 10, f"P{position}", ha="center")
    rows = [
        ("raw\nmotion", [motion_colours(motion, limit) for motion in block.motion[0]]),
        ("accumulated\nmotion", [motion_colours(motion, limit) for motion in block.motion[1]]),
        ("raw\nresidual", [residual_colours(residual) for residual in block.residual[0]]),
        ("accumulated\nresidual", [residual_colours(residual) for residual in block.residual[1]]),
    ]
    for row, (label, pictures) in enumerate(rows):
        sheet.text(left - GAP - 2, y + cell[1] / 2, label, ha="right", multialignment="right")
        for column, pixels in enumerate(pictures):
            x = left + column * (cell[0] + GAP)
            sheet.image(x + (cell[0] - panel[0]) // 2, y + (cell[1] - panel[1]) // 2, *panel, pixels)
        y += cell[1] + (PAIR_GAP if row == 1 else GAP)


def _draw_wheel(sheet: Sheet, x: float, y: float, limit: int) -> None:
    """The colour wheel: motion of every direction, to the limit at its rim."""
    axes = sheet.blank(x, y, WHEEL, WHEEL)
    dy, dx = np.mgrid[-1:1:241j, -1:1:241j]
    wheel = motion_colours(limit * np.stack([dx, dy], axis=-1), limit)
    axes.imshow(np.where(np.hypot(dx, dy)[..., None] <= 1, wheel, 255), interpolation="nearest", extent=(-1, 1, 1, -1))
    axes.set_xlim(-1.7, 1.7)
    axes.set_ylim(1.8, -1.6)
    for place, text in (((0, -1.2), "up"), ((0, 1.2), "down"), ((-1.35, 0), "left"), ((1.35, 0), "right")):
        axes.text(*place, text, ha="center", va="center", fontsize=8, color=GREY)
    axes.text(0, 1.6, f"rim: {limit} px and more", ha="center", va="center", fontsize=8, color=GREY)


def motion_limit(motions: Sequence[np.ndarray]) -> int:
    """Pixels of motion at full colour: the 99th percentile of its length, rounded up, at least LEAST_LIMIT.

    motions   accumulated motion, (...,2) each, (x,y) in pixels
    """
    lengths = [np.hypot(motion[..., 0], motion[..., 1], dtype=np.float64).ravel() for motion in motions]
    return max(LEAST_LIMIT, math.ceil(np.percentile(np.concatenate(lengths), 99, method="inverted_cdf")))


def motion_colours(motion: np.ndarray, limit: int) -> np.ndarray:
    """Motion (H,W,2), (x,y) in pixels, as uint8 (H,W,3) RGB.

    Direction is the hue, red at +x and growing toward +y (down). Saturation is the square root of length, white at
    rest and full from `limit` on: raw motion is a small part of what accumulates, and would hardly be seen otherwise.
    """
    x, y = motion[..., 0].astype(np.float64), motion[..., 1].astype(np.float64)
    saturation = np.sqrt(np.minimum(np.hypot(x, y) / limit, 1.0))[..., None]
    # Each channel of a pure hue is 1 within 60 degrees of its own angle and falls to 0 over the next 60.
    angle = (np.degrees(np.arctan2(y, x)) % 360)[..., None]
    distance = np.abs((angle - np.array([0, 120, 240]) + 180) % 360 - 180)
    hue = np.clip(2 - distance / 60, 0, 1)
    return np.rint(255 * (1 - saturation * (1 - hue))).astype(np.uint8)


def residual_colours(residual: np.ndarray) -> np.ndarray:
    """Residual int16 (H,W,3) as uint8 RGB: mid-grey where it is zero, GAIN times its size, clipped."""
    return np.clip(128 + GAIN * residual, 0, 255).astype(np.uint8)
