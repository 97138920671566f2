"""A sheet to draw pictures and plots on, measured in pixels, and saved as a PNG; matplotlib is loaded only for it."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hybridnet.errors import BackendError
from hybridnet.files import whole_file

DPI = 100
MARGIN = 16  # pixels around everything
GREY = "#555555"
HAIRLINE = np.full((1, 1, 3), 208, np.uint8)


@dataclass(frozen=True)
class Sheet:
    """A figure measured in pixels from its top left corner."""

    figure: Any
    width: int
    height: int

    def axes(self, x: float, y: float, width: float, height: float) -> Any:
        """Axes whose frame is this box."""
        return self.figure.add_axes(
            (x / self.width, 1 - (y + height) / self.height, width / self.width, height / self.height)
        )

    def blank(self, x: float, y: float, width: float, height: float) -> Any:
        """Axes of this box without frame, ticks and labels."""
        axes = self.axes(x, y, width, height)
        axes.set_axis_off()
        return axes

    def image(self, x: float, y: float, width: int, height: int, pixels: np.ndarray) -> None:
        """An image stretched to this box, with a hairline around it, for it may be as white as the page.

        One that is larger than the box is filtered, or lines of one pixel would be there or not by chance.
        """
        self.blank(x - 1, y - 1, width + 2, height + 2).imshow(HAIRLINE, aspect="auto")
        shrinks = height < pixels.shape[0] or width < pixels.shape[1]
        how = "hanning" if shrinks else "nearest"
        self.blank(x, y, width, height).imshow(pixels, interpolation=how, aspect="auto")

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Text from x on, its middle at y."""
        style = {"fontsize": 8, "color": GREY, "va": "center", **style}
        self.figure.text(x / self.width, 1 - y / self.height, text, parse_math=False, **style)

    def title(self, name: str) -> None:
        """The name of what is drawn, at the top, as far as it can be printed and there is room."""
        name = "".join(character if character.isprintable() else "?" for character in name)
        letters = (self.width - 2 * MARGIN) // 10
        short = name if len(name) <= letters else f"{name[: letters - 1]}\u2026"
        self.text(MARGIN, 20, short, fontsize=11, color="black")

    def save(self, png: Path) -> None:
        """Write it, whole or not at all; OutputError for a place that cannot be written."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # a file name may be in any script
            with whole_file(png) as work:
                self.figure.savefig(work, format="png")


def require_matplotlib() -> tuple[Any, Any]:
    """Figure and Agg canvas, without pyplot: no window system and no global state. BackendError without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise BackendError(f"--png: needs {error.name}; install it with `pip install 'hybridnet[report]'`") from error
    return Figure, FigureCanvasAgg


def new_sheet(width: int, height: int) -> Sheet:
    """A white sheet of this many pixels; BackendError without matplotlib."""
    figure_class, canvas_class = require_matplotlib()
    figure = figure_class(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    canvas_class(figure)
    return Sheet(figure, width, height)
