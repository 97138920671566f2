"""Bars inside a page: shares in percent, the words each segment shows, and which of the page's colours it has."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from deploy.report import Regime
from deploy.views import joules as plain_joules
from deploy.work import CONVENTIONAL
from hardware import EnergyReport, EnergyRow

COLOURS = 6  # classes c0 to c5 of the style sheet
NODES = 6  # of the conventional part that have a bar of their own


@dataclass(frozen=True)
class Segment:
    """A piece of a bar: its width in percent of the whole scale, its colour's number, and what is said of it."""

    width: float
    colour: int
    words: str


@dataclass(frozen=True)
class Bar:
    """A line of a chart: its name, its pieces, its value in words."""

    name: str
    segments: tuple[Segment, ...]
    value: str


@dataclass(frozen=True)
class Chart:
    """Bars on one scale, with the names of the colours by their numbers."""

    title: str
    bars: tuple[Bar, ...]
    legend: Mapping[str, int]


def joules(value: float) -> str:
    """Joules with a readable prefix, micro with its sign."""
    return plain_joules(value).replace("uJ", "\u00b5J")


def parts_chart(regime: Regime) -> Chart:
    """One bar for the video, a segment a part, and one for the dense baseline."""
    energy, dense = regime.energy, regime.dense
    scale = max(energy.total, dense.total) or 1.0
    parts = list(dict.fromkeys(row.part for row in energy.rows))
    bars = []
    for name, report in (("this video", energy), ("dense baseline", dense)):
        segments = [
            Segment(
                100 * cost / scale, parts.index(part) % COLOURS, f"{part}: {joules(cost)}, {cost / report.total:.1%}"
            )
            for part in parts
            if (cost := sum(row.joules or 0.0 for row in report.rows if row.part == part))
        ]
        bars.append(Bar(name, tuple(segments), joules(report.total) if report.priced else "no price"))
    return Chart("by part", tuple(bars), {part: i % COLOURS for i, part in enumerate(parts)})


def layer_charts(report: EnergyReport) -> list[Chart]:
    """The spiking layers on one scale, the conventional nodes on another: they differ a thousandfold."""
    operations = list(dict.fromkeys(row.operation for row in report.rows if row.joules))
    colours = {operation: i % COLOURS for i, operation in enumerate(operations)}
    spiking = _grouped([row for row in report.rows if row.part != CONVENTIONAL], lambda row: f"{row.part}/{row.layer}")
    nodes = _grouped([row for row in report.rows if row.part == CONVENTIONAL], lambda row: row.layer)
    charts = {"spiking layers": spiking, f"conventional nodes, the {NODES} dearest": _folded(nodes)}
    return [_stacked(title, groups, colours) for title, groups in charts.items() if any(map(_cost, groups.values()))]


def share_bar(name: str, parts: Mapping[str, float], words: Callable[[str, float], str], value: str) -> Bar:
    """Shares of one whole, each with a colour of its own."""
    whole = sum(parts.values()) or 1.0
    segments = [
        Segment(100 * part / whole, i % COLOURS, words(key, part)) for i, (key, part) in enumerate(parts.items())
    ]
    return Bar(name, tuple(segments), value)


def _grouped(rows: Sequence[EnergyRow], key: Callable[[EnergyRow], str]) -> dict[str, list[EnergyRow]]:
    groups: dict[str, list[EnergyRow]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def _cost(rows: Sequence[EnergyRow]) -> float:
    return sum(row.joules or 0.0 for row in rows)


def _folded(nodes: dict[str, list[EnergyRow]]) -> dict[str, list[EnergyRow]]:
    """The dearest nodes, and all others as one."""
    ranked = sorted(nodes.items(), key=lambda node: -_cost(node[1]))
    rest = [row for _, rows in ranked[NODES:] for row in rows]
    return dict(ranked[:NODES]) | ({f"{len(ranked) - NODES} others": rest} if rest else {})


def _stacked(title: str, groups: Mapping[str, Sequence[EnergyRow]], colours: Mapping[str, int]) -> Chart:
    scale = max((_cost(rows) for rows in groups.values()), default=0.0) or 1.0
    bars, used = [], set()
    for name, rows in groups.items():
        operations = {row.operation: [each for each in rows if each.operation == row.operation] for row in rows}
        priced = {operation: each for operation, each in operations.items() if each[0].joules is not None}
        segments = [
            Segment(100 * _cost(each) / scale, colours[operation], _words(each))
            for operation, each in priced.items()
            if _cost(each)
        ]
        used |= {operation for operation in priced if operation in colours}
        bars.append(Bar(name, tuple(segments), joules(_cost(rows)) if priced else "unpriced"))
    return Chart(title, tuple(bars), {operation: colours[operation] for operation in colours if operation in used})


def _words(rows: Sequence[EnergyRow]) -> str:
    """Count x price = joules, with the price's evidence and source."""
    first, count = rows[0], sum(row.count for row in rows)
    price = "" if first.price_pj is None else f"{count:,} \u00d7 {first.price_pj:g} pJ = "
    return f"{first.operation}: {price}{joules(_cost(rows))}; {first.evidence}: {first.source}"
