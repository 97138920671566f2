"""A picture of accuracy against energy: what `hybridnet evaluate` measured, and apart from it what the paper prints."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.pictures.paper import HEIGHT, WIDTH, draw_panel
from deploy.pictures.sheet import GREY, MARGIN, new_sheet
from deploy.pictures.trace import COLOURS, MARKERS
from hardware.paper import read_paper
from hybridnet.errors import HybridnetError

FORMS = ("float", "quantised", "bundle")  # of `hybridnet evaluate`
PUBLISHED = ("1", "ucf101")  # table and column of the paper beside
COLUMN, TOP = 76, 104  # pixels


@dataclass(frozen=True)
class Point:
    """One form of one checkpoint: top-1 in per cent, joules a video."""

    name: str
    form: str
    top1: float
    joules: float


@dataclass(frozen=True)
class Evaluation:
    """What one `hybridnet evaluate --json` printed: on which data, under which prices, the forms that have joules."""

    data: str
    regime: str
    points: tuple[Point, ...]


def read_evaluation(path: Path) -> Evaluation:
    """HybridnetError for a file that is missing, or not what `evaluate --json` prints."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        points = tuple(_points(path, found))
        return Evaluation(str(found["data"]), str(found["regime"]), points)
    except OSError as error:
        raise HybridnetError(f"{path}: cannot be read ({error.strerror}); give what evaluate --json printed") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise HybridnetError(f"{path}: is not what `hybridnet evaluate --json` prints; evaluate again") from error


def _points(path: Path, found: Mapping[str, Any]) -> Iterator[Point]:
    for form in FORMS:
        if form in found and found[form]["energy"]:
            top1, joules = float(found[form]["top1"]), float(found[form]["energy"])
            if not 0 <= top1 <= 1 or not 0 < joules < math.inf:
                raise ValueError("no share, or no energy")
            yield Point(path.stem, form, 100 * top1, joules)


def draw_energy(evaluations: Sequence[Evaluation], png: Path) -> None:
    """Draw measured points at the left, the paper's at the right, into `png`, which appears whole or not at all.

    Raises HybridnetError if the evaluations are of different data or prices, or none has joules; BackendError without
    matplotlib, OutputError for a place that cannot be written.
    """
    first = evaluations[0]
    for other in evaluations[1:]:
        if (other.data, other.regime) != (first.data, first.regime):
            raise HybridnetError(
                f"evaluations of {first.data} under {first.regime} and of {other.data} under {other.regime} do not go "
                "into one plot; give those of one kind"
            )
    points = [point for evaluation in evaluations for point in evaluation.points]
    if not points:
        raise HybridnetError("none of the evaluations has joules, for no bundle of them could be exported")
    sheet = new_sheet(2 * MARGIN + 2 * (COLUMN + WIDTH) + 60, TOP + HEIGHT + 70)
    sheet.title("Accuracy against energy: measured here, and as the paper prints it")
    sheet.text(MARGIN, 42, 'two data sets, so the plots cannot be compared; "Ours" at the right is the paper\'s own')
    left = MARGIN + COLUMN - 20
    sheet.text(left, TOP - 36, "measured here", fontsize=10, color="black")
    sheet.text(left, TOP - 16, f"{first.data}, {first.regime}", fontsize=8.5)
    axes = sheet.axes(left, TOP, WIDTH, HEIGHT)
    names = list(dict.fromkeys(point.name for point in points))
    for point in points:
        style = {"color": COLOURS[names.index(point.name) % len(COLOURS)], "marker": MARKERS[FORMS.index(point.form)]}
        label = f"{point.name}, {point.form}"
        axes.plot(
            1e3 * point.joules, point.top1, linestyle="", markersize=9, alpha=0.8, label=label, clip_on=False, **style
        )
    axes.set_ylim(0, 100)
    axes.set_xlim(0, 1.3e3 * max(point.joules for point in points))
    axes.set_xlabel("mJ a video", fontsize=8.5, color=GREY)
    axes.set_ylabel("top-1, %", fontsize=8.5, color=GREY)
    axes.tick_params(labelsize=8, colors=GREY)
    axes.spines[:].set_color("#bbbbbb")
    axes.grid(color="#eeeeee")
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", fontsize=8, frameon=False)
    paper = read_paper()
    (table,) = (table for table in paper.tables if table.name == PUBLISHED[0])
    left += COLUMN + WIDTH
    sheet.text(left, TOP - 36, f"published: {paper.reference}", fontsize=10, color="black")
    draw_panel(sheet, left, TOP, table, PUBLISHED[1])
    sheet.save(png)
