"""A picture of a video and its reverse, their frames flattened to a plane by t-SNE; after the paper's Figure 1."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deploy.doctor import extra
from deploy.pictures.sheet import GREY, MARGIN, new_sheet
from deploy.pictures.trajectories import Space

PANEL = 420  # pixels, the side of a plane
GAP = 44  # between planes, and room for the axes' names
TOP = 96
PERPLEXITY = 12.0  # about as many neighbours as a GOP has frames
FORWARD, BACKWARD = ("#0072B2", "o", "the video"), ("#D55E00", "^", "its reverse")  # Okabe and Ito's colours
WORDS = {
    "pictures": "decoded RGB pictures",
    "P-frames": "P-frames: accumulated motion and residual",
}


def draw_tsne(name: str, spaces: Mapping[str, Space], png: Path) -> None:
    """Draw every space of `read_spaces` into `png`, which appears whole or not at all.

    A line joins a video's frames in the order in which it shows them, a ring is around its first. Raises BackendError
    without matplotlib or scikit-learn, OutputError for a place that cannot be written.
    """
    sheet = new_sheet(MARGIN + len(spaces) * (PANEL + GAP), TOP + PANEL + 40)
    sheet.title(f"{name} and its reverse, by t-SNE")
    left = MARGIN
    for colour, mark, words in (FORWARD, BACKWARD):
        sheet.text(left, 46, {"o": "\u25cf", "^": "\u25b2"}[mark], color=colour, fontsize=10)
        sheet.text(left + 16, 46, words, fontsize=9)
        left += 110
    sheet.text(left, 46, "ring: where it starts", fontsize=9)
    for i, (kind, space) in enumerate(spaces.items()):
        x = GAP + i * (PANEL + GAP)
        sheet.text(x, TOP - 26, WORDS[kind], fontsize=10, color="black")
        sheet.text(x, TOP - 10, f"nearest frame is of the other video: {space.mixing:.0%}", fontsize=8.5)
        _draw_plane(sheet.axes(x, TOP, PANEL, PANEL), space)
    sheet.save(png)


def _draw_plane(axes: Any, space: Space) -> None:
    plane, border = flatten(space.together), len(space.forward)
    for (colour, mark, _), points in zip((FORWARD, BACKWARD), (plane[:border], plane[border:]), strict=True):
        axes.plot(*points.T, color=colour, linewidth=0.8, alpha=0.5)
        axes.plot(*points.T, mark, color=colour, markersize=6, alpha=0.75, markeredgewidth=0)
        axes.plot(*points[0], "o", markersize=14, markerfacecolor="none", markeredgecolor=colour, markeredgewidth=2)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel("t-SNE, first axis (no unit)", fontsize=8, color=GREY)
    axes.set_ylabel("t-SNE, second axis (no unit)", fontsize=8, color=GREY)
    axes.spines[:].set_color("#bbbbbb")
    axes.margins(0.08)


def flatten(points: np.ndarray) -> np.ndarray:
    """float32 (n,d) to (n,2), all at the origin if they are one point; BackendError without scikit-learn."""
    with extra("report"):
        from sklearn.manifold import TSNE
    if not np.ptp(points, axis=0).any():
        return np.zeros((len(points), 2), np.float32)
    perplexity = min(PERPLEXITY, (len(points) - 1) / 3)
    return TSNE(2, perplexity=perplexity, init="pca", random_state=0).fit_transform(points)
