"""Confusion matrices: as CSV, a row a true label, and in one picture."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hybridnet.files import whole_file, write_whole

SIDE = 0.28  # inches of a cell
LEAST, MOST = 3.0, 12.0  # inches of a matrix


def write_confusion(path: Path, confusion: np.ndarray, labels: Sequence[str]) -> None:
    """Write counts (classes,classes), true labels down, predicted ones across; OutputError if it cannot be written."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["true", *labels])
    for label, row in zip(labels, confusion.tolist(), strict=True):
        writer.writerow([label, *row])
    write_whole(path, text.getvalue().encode())


def draw_confusions(png: Path, confusions: Mapping[str, np.ndarray], labels: Sequence[str], title: str) -> None:
    """Draw matrices side by side, each cell shaded by its share of its row, into `png`, whole or not at all."""
    from matplotlib.figure import Figure

    side = min(max(LEAST, SIDE * len(labels)), MOST)
    figure = Figure(figsize=(len(confusions) * (side + 0.4) + 1.6, side + 2.2), dpi=100, layout="constrained")
    figure.suptitle(title, parse_math=False)
    panels = figure.subplots(1, len(confusions), squeeze=False)[0]
    named = len(labels) * SIDE <= MOST  # more labels than that cannot be told apart
    for axes, (name, counts) in zip(panels, confusions.items(), strict=True):
        axes.imshow(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
        axes.set_title(name, parse_math=False)
        axes.set_xlabel("predicted")
        ticks = range(len(labels)) if named else ()
        axes.set_xticks(ticks, labels if named else (), rotation=90, fontsize=7, parse_math=False)
        axes.set_yticks(ticks, labels if named and axes is panels[0] else [""] * len(ticks), fontsize=7)
        if named:
            for row, column in np.argwhere(counts):
                count = counts[row, column]
                dark = count > counts[row].sum() / 2
                axes.text(column, row, count, ha="center", va="center", fontsize=6, color="white" if dark else "black")
    panels[0].set_ylabel("true")
    with whole_file(png) as work:
        figure.savefig(work, format="png", bbox_inches="tight", metadata={"Software": None})
