"""A picture of a training's log: loss, accuracy and spikes over the epochs."""

import math
from collections.abc import Sequence
from pathlib import Path

from deploy.pictures.trace import COLOURS
from hybridnet.files import whole_file

CURVES = "curves.png"
STYLES = ("-", "--", ":")
PANELS = (
    ("loss", {"loss": "training", "test_loss": "test"}),
    ("accuracy, %", {"train_top1": "training top-1", "test_top1": "test top-1", "test_top5": "test top-5"}),
    ("synaptic operations a clip", {"motion_synops": "motion", "residual_synops": "residual"}),
)


def draw_curves(rows: Sequence[dict[str, float]], png: Path, title: str) -> None:
    """Draw the rows of a log into `png`, which appears whole or not at all; OutputError if it cannot be written."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    figure = Figure(figsize=(12, 3.6), dpi=100, layout="constrained")
    figure.suptitle(title, parse_math=False)
    for axes, (name, lines) in zip(figure.subplots(1, len(PANELS)), PANELS, strict=True):
        share = name.endswith("%")
        axes.set_prop_cycle(color=COLOURS[: len(lines)], linestyle=STYLES[: len(lines)])
        for key, label in lines.items():
            known = [(row["epoch"], row[key] * (100 if share else 1)) for row in rows if not math.isnan(row[key])]
            axes.plot(*zip(*known, strict=True), label=label, marker="o" if len(rows) < 20 else None, markersize=3)
        if name.startswith("synaptic"):
            axes.yaxis.set_major_formatter(EngFormatter(sep=""))
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.set_ylim(0, 100 if share else None)
        axes.set_xlim(0.5, rows[-1]["epoch"] + 0.5)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)
    with whole_file(png) as work:
        figure.savefig(work, format="png", metadata={"Software": None})
