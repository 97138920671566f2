"""A picture of the compressed domain, after the paper's Figure 2: an I-frame, and the P-frames traced back to it."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from hybridnet.errors import BackendError, VideoError
from hybridnet.files import whole_file
from hybridnet.video import Gop, Preprocessing, choose_gops, probe, read_gops

POSITIONS = (1, 4, 8, 11)  # P-frames drawn, 1-based
LIMIT = 20  # pixels of motion at full colour, the network's own limit
GAIN = 2  # residuals are drawn at twice their size around mid-grey
DPI = 110
COLUMN = 1.9  # inches
GREY = "#555555"


def draw_gop(video: Path, png: Path, *, gop: int | None = None) -> int:
    """Draw one GOP of `video` into `png`, which appears whole or not at all; returns the GOP's index.

    gop   0-based; None for the first with all of POSITIONS, or the first of all if none is so long

    Raises BackendError without matplotlib, VideoError for a video or GOP that cannot be drawn, OutputError for a place
    that cannot be written.
    """
    figure_class, canvas_class = _matplotlib()
    if gop is None:
        lengths = probe(video).gop_lengths
        gop = next(iter(choose_gops(lengths, Preprocessing(size=1, short_side=1, triplets=max(1, len(lengths))))), 0)
    content = next(read_gops(video, gops=[gop], max_p=POSITIONS[-1]))
    figure = figure_class(dpi=DPI, facecolor="white")
    canvas_class(figure)
    _compose(figure, content, f"{video.name}, GOP {gop}")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # a file name may be in any script
        with whole_file(png) as work:
            figure.savefig(work, format="png")
    return gop


def _matplotlib() -> tuple[Any, Any]:
    """Figure and Agg canvas, without pyplot: no window system and no global state."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise BackendError(f"--png: needs {error.name}; install it with `pip install 'hybridnet[report]'`") from error
    return Figure, FigureCanvasAgg


def _compose(figure: Any, gop: Gop, title: str) -> None:
    """The I-frame on the left with the colour wheel under it, then a column a P-frame: motion above residual."""
    shown = [k for k, position in enumerate(gop.positions) if position in POSITIONS]
    if not shown:
        raise VideoError(f"{title}: has no P-frame to draw; choose another with --gop")
    height, width = gop.iframe.shape[:2]
    row = min(max(COLUMN * height / width, 0.9), 3.8)
    figure.set_size_inches((len(shown) + 1) * (COLUMN + 0.12) + 0.3, 2 * row + 1.15)
    figure.suptitle(title, x=0.02, ha="left", fontsize=11, parse_math=False)
    grid = figure.add_gridspec(2, len(shown) + 1, left=0.02, right=0.98, bottom=0.03, top=1 - 0.62 / (2 * row + 1.15),
                               wspace=0.06, hspace=0.3 / row)  # fmt: skip
    _panel(figure.add_subplot(grid[0, 0]), gop.iframe, "I-frame")
    _legend(figure.add_subplot(grid[1, 0]))
    for column, k in enumerate(shown, start=1):
        position = int(gop.positions[k])
        _panel(figure.add_subplot(grid[0, column]), motion_colours(gop.motion[k]), f"P{position}: accumulated motion")
        _panel(figure.add_subplot(grid[1, column]), residual_colours(gop.residual[k]), "accumulated residual")


def _panel(axes: Any, pixels: np.ndarray, title: str) -> None:
    axes.imshow(pixels, interpolation="nearest")
    axes.set_title(title, fontsize=8, color=GREY, pad=3)
    axes.set_axis_off()


def _legend(axes: Any) -> None:
    """The colour wheel: motion of every direction, to the limit at its rim."""
    y, x = np.mgrid[-LIMIT:LIMIT:161j, -LIMIT:LIMIT:161j]
    wheel = motion_colours(np.stack([x, y], axis=-1))
    inside = np.hypot(x, y)[..., None] <= LIMIT
    axes.imshow(np.where(inside, wheel, 255), interpolation="nearest", extent=(-1, 1, 1, -1))
    axes.set_xlim(-1.75, 1.75)
    axes.set_ylim(1.75, -1.75)
    for place, text in (((0, -1.25), "up"), ((0, 1.25), "down"), ((-1.4, 0), "left"), ((1.4, 0), "right")):
        axes.text(*place, text, ha="center", va="center", fontsize=7, color=GREY)
    axes.text(0, 1.62, f"rim: {LIMIT} px and more", ha="center", va="center", fontsize=7, color=GREY)
    axes.set_title("motion since the I-frame", fontsize=8, color=GREY, pad=3)
    axes.set_axis_off()


def motion_colours(motion: np.ndarray) -> np.ndarray:
    """Motion (H,W,2), (x,y) in pixels, as uint8 (H,W,3) RGB.

    Direction is the hue, red at +x and growing toward +y (down); length is the saturation, white at rest and full
    from LIMIT on.
    """
    x, y = motion[..., 0].astype(np.float64), motion[..., 1].astype(np.float64)
    saturation = np.minimum(np.hypot(x, y) / LIMIT, 1.0)[..., None]
    # Each channel of a pure hue is 1 within 60 degrees of its own angle and falls to 0 over the next 60.
    angle = (np.degrees(np.arctan2(y, x)) % 360)[..., None]
    distance = np.abs((angle - np.array([0, 120, 240]) + 180) % 360 - 180)
    hue = np.clip(2 - distance / 60, 0, 1)
    return np.rint(255 * (1 - saturation * (1 - hue))).astype(np.uint8)


def residual_colours(residual: np.ndarray) -> np.ndarray:
    """Residual int16 (H,W,3) as uint8 RGB: mid-grey where it is zero, GAIN times its size, clipped."""
    return np.clip(128 + GAIN * residual, 0, 255).astype(np.uint8)
