"""A picture of the paper's tables: accuracy against joules per video, after its Figure 6."""

import math
from pathlib import Path
from typing import Any

from deploy.pictures.sheet import GREY, MARGIN, Sheet, new_sheet
from deploy.views.paper import OWN, best_recount
from hardware.paper import NONE, Paper, Row, Table

PANELS = (("1", "ucf101"), ("1", "hmdb51"), ("2", "k400"), ("2", "ssv2"))
KINDS = {  # by the tables' modality: a colour of Okabe and Ito's, and words
    "RD": ("#E69F00", "raw video"),
    "RD + CD": ("#CC79A7", "raw and compressed"),
    "CD + OF": ("#009E73", "compressed and optical flow"),
    "CD": ("#0072B2", "compressed"),
}
OWN_COLOUR = "#D55E00"

# Lengths in pixels of the PNG.
WIDTH, HEIGHT = 520, 330  # of a plot
COLUMN, LINE = 70, 76  # room at its left, and above it
TITLE = 64


def draw_paper(paper: Paper, png: Path) -> None:
    """Draw the published accuracies over the published joules into `png`, which appears whole or not at all.

    A hollow mark stands where joules counted again are, if they are not the printed ones. Nothing of ours is drawn: no
    accuracy has been measured on these data sets.

    Raises BackendError without matplotlib, OutputError for a place that cannot be written.
    """
    sheet = new_sheet(2 * (COLUMN + WIDTH) + 2 * MARGIN, TITLE + 2 * (LINE + HEIGHT) + MARGIN)
    sheet.title("Accuracy against energy, as published")
    sheet.text(MARGIN, 40, f"{paper.reference}, Tables 1 and 2; hollow: joules counted again where they differ")
    left = float(MARGIN)
    for kind, (colour, words) in KINDS.items():
        left = _legend(sheet, left, colour, f"{words} ({kind})")
    _legend(sheet, left, OWN_COLOUR, "the paper's own")
    tables = {table.name: table for table in paper.tables}
    for i, (name, column) in enumerate(PANELS):
        x, y = MARGIN + i % 2 * (COLUMN + WIDTH) + COLUMN - MARGIN, TITLE + i // 2 * (LINE + HEIGHT) + LINE - 40
        draw_panel(sheet, x, y, tables[name], column)
    sheet.save(png)


def _legend(sheet: Sheet, x: float, colour: str, words: str) -> float:
    sheet.text(x, 60, "\u25cf", color=colour, fontsize=9)
    sheet.text(x + 14, 60, words)
    return x + 34 + 6 * len(words)


def draw_panel(sheet: Sheet, x: float, y: float, table: Table, column: str) -> None:
    """Draw a table's accuracies over its joules, its name above; the plot's frame is WIDTH x HEIGHT from (x,y) on."""
    axes = sheet.axes(x, y, WIDTH, HEIGHT)
    sheet.text(x, y - 14, f"{table.columns[column][0]}, {table.where}", fontsize=9, color="black")
    axes.set_xscale("log")
    shown = [row for row in table.rows if row.published[column] != NONE]
    for row in shown:
        _draw_row(axes, row, column, above=not any(_near(row, other, column) for other in shown))
    joules = [float(row.published["joules"]) for row in shown]
    axes.set_xlim(min(joules) / 1.6, max(joules) * 6)  # names stand to the right of their marks
    axes.margins(y=0.12)
    axes.set_xlabel("J a video", fontsize=8, color=GREY)
    axes.set_ylabel("top-1, %", fontsize=8, color=GREY)
    axes.tick_params(labelsize=8, colors=GREY, which="both")
    axes.spines[:].set_color("#bbbbbb")
    axes.grid(color="#eeeeee")
    axes.set_axisbelow(True)


def _near(row: Row, other: Row, column: str) -> bool:
    """Whether another mark lies where this one's name would stand: little higher, at about the same joules."""
    higher = float(other.published[column]) - float(row.published[column])
    return 0 < higher < 3 and abs(math.log10(float(other.published["joules"]) / float(row.published["joules"]))) < 0.4


def _draw_row(axes: Any, row: Row, column: str, above: bool) -> None:
    """A mark with the name of its row above or below it, and a hollow one where its joules counted again are others."""
    own = row.name in OWN
    joules, accuracy = float(row.published["joules"]), float(row.published[column])
    colour = OWN_COLOUR if own else KINDS[row.published["modality"]][0]
    axes.plot(joules, accuracy, "o", color=colour, markersize=9 if own else 6)
    style = {"fontsize": 7.5, "color": "black", "fontweight": "bold" if own else "normal"}
    axes.annotate(row.name, (joules, accuracy), (6, 4 if above else -9), textcoords="offset points", **style)
    recount = best_recount(row)
    if recount and not recount.agrees:
        axes.plot([joules, recount.joules], [accuracy, accuracy], ":", color=colour, linewidth=1)
        axes.plot(recount.joules, accuracy, "o", markerfacecolor="white", markeredgecolor=colour, markersize=6)
