"""Two bundles on one page: differences marked, energy on one scale."""

from itertools import zip_longest
from pathlib import Path
from typing import Any

from deploy.report.charts import parts_chart
from deploy.report.compare import Fact, Side, bundle_facts, layer_facts, run_facts
from deploy.report.page import plain, render
from hybridnet import __version__


def compare_page(a: Side, b: Side, video: Path | None, notes: list[str]) -> str:
    """The page of two bundles, and of what they make of `video` if they ran over it."""
    ran = a.prediction is not None and b.prediction is not None
    sections = {"bundles": "Bundles", "layers": "Layers"}
    sections |= {"run": "On the video", "energy": "Energy"} if ran else {}
    names = {"A": plain(a.bundle.path.name), "B": plain(b.bundle.path.name)}
    return render(
        "compare.html",
        sections=[*sections.items(), ("verification", "Verification")],
        names=names,
        video=plain(video.name) if video else "",
        notes=[plain(note) for note in notes],
        bundles=_table(bundle_facts(a.bundle, b.bundle)),
        layers=_table(layer_facts(a.bundle, b.bundle)),
        run=_table(run_facts(a.prediction, b.prediction)) if a.prediction and b.prediction else [],
        energy=energy_charts(a, b),
        checks={"A": a.checks, "B": b.checks},
        footer=f"hybridnet {__version__}. This page needs no network and runs no script.",
    )


def _table(facts: list[Fact]) -> list[dict[str, Any]]:
    return [
        {"name": name, "a": _phrases(plain(first), plain(second)), "b": _phrases(plain(second), plain(first))}
        for name, first, second in facts
    ]


def _phrases(cell: str, other: str) -> list[tuple[str, bool]]:
    """The phrases of a cell, and whether the other side's cell has another one in that place."""
    pairs = zip_longest(cell.split(", "), other.split(", "))
    return [(phrase, phrase != theirs) for phrase, theirs in pairs if phrase is not None]


def energy_charts(a: Side, b: Side) -> list[dict[str, Any]]:
    """Per regime a bar a bundle, a segment a part, both on the scale of the dearer one; and what no bar has."""
    charts = []
    for first, second in zip(a.ledgers, b.ledgers, strict=True):
        regime = first.report.regime
        unpriced = dict.fromkeys((*first.report.unpriced, *second.report.unpriced))
        missing = f"not in the bars, for {regime} has no price: {', '.join(unpriced)}" if unpriced else ""
        chart = parts_chart(regime, {"A": first.report, "B": second.report})
        charts.append({"chart": chart, "missing": missing})
    return charts
