"""Bars inside a page: shares in percent, the words each segment shows, and which of the page's colours it has."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from deploy.decode_energy import DECODE
from deploy.views.results import joules as plain_joules
from deploy.work import BRIDGE, CHIP, CONVENTIONAL
from hardware import EnergyReport, EnergyRow
from hardware.operations import OFF_CHIP, ON_CHIP
from hybridnet.video import STREAMS

COLOURS = 9  # classes c0 to c8 of the style sheet
FAMILIES = {  # operations that share a colour
    "mac": "multiply-accumulates",
    "synaptic_operation": "synaptic operations",
    "membrane_update": "membrane updates",
    "spike": "spikes",
    **dict.fromkeys(("message", "hop"), "network on chip"),
    **dict.fromkeys(ON_CHIP, "memory on chip"),
    **dict.fromkeys(OFF_CHIP, "memory off chip"),
    "time_step": "static power",
}
PARTS = (*STREAMS, CONVENTIONAL, BRIDGE, CHIP, DECODE)
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
    """Joules with a readable prefix."""
    return micro(plain_joules(value))


def micro(words: str) -> str:
    """Words with the sign of micro, where the terminal has a u."""
    return words.replace(" uJ", " \u00b5J")


def parts_chart(title: str, reports: Mapping[str, EnergyReport]) -> Chart:
    """A bar a report on the scale of the dearest, a segment a part."""
    scale = max(report.total for report in reports.values()) or 1.0
    bars = []
    for name, report in reports.items():
        segments = [
            Segment(100 * cost / scale, _place(PARTS, part), f"{part}: {joules(cost)}, {cost / report.total:.1%}")
            for part, cost in report.parts.items()
            if cost
        ]
        bars.append(Bar(name, tuple(segments), joules(report.total) if report.priced else "no price"))
    parts = dict.fromkeys(part for report in reports.values() for part, cost in report.parts.items() if cost)
    return Chart(title, tuple(bars), {part: _place(PARTS, part) for part in parts})


def layer_charts(report: EnergyReport) -> list[Chart]:
    """The spiking layers on one scale, the conventional nodes on another: they differ a thousandfold."""
    rows = [row for row in report.rows if row.joules]
    spiking = _grouped([row for row in rows if row.part != CONVENTIONAL], lambda row: f"{row.part}/{row.layer}")
    nodes = _grouped([row for row in rows if row.part == CONVENTIONAL], lambda row: row.layer)
    charts = {"spiking layers, bridge and chip": spiking, f"conventional nodes, the {NODES} dearest": _folded(nodes)}
    return [_stacked(title, groups) for title, groups in charts.items() if groups]


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


def _stacked(title: str, groups: Mapping[str, Sequence[EnergyRow]]) -> Chart:
    scale = max(map(_cost, groups.values()))
    bars: list[Bar] = []
    used: set[str] = set()
    for name, rows in groups.items():
        families = _grouped(rows, lambda row: FAMILIES.get(row.operation, row.operation))
        segments = [
            Segment(100 * _cost(each) / scale, _colour(family), _words(each)) for family, each in families.items()
        ]
        used |= families.keys()
        bars.append(Bar(name, tuple(segments), joules(_cost(rows))))
    return Chart(title, tuple(bars), {family: _colour(family) for family in sorted(used, key=_colour)})


def _colour(family: str) -> int:
    return _place(tuple(dict.fromkeys(FAMILIES.values())), family)


def _place(names: Sequence[str], name: str) -> int:
    """The colour of a name: its place, so that it is the same in every chart, or the last one."""
    return names.index(name) if name in names else COLOURS - 1


def _words(rows: Sequence[EnergyRow]) -> str:
    """A line an operation and price: count x price = joules, with the price's evidence and source."""
    prices: dict[tuple[str, float | None], list[EnergyRow]] = {}
    for row in rows:
        prices.setdefault((row.name, row.price_pj), []).append(row)
    lines = []
    for (name, price), each in prices.items():
        sums = "" if price is None else f"{sum(row.count for row in each):,} \u00d7 {price:.4g} pJ = "
        lines.append(f"{name}: {sums}{joules(_cost(each))}; {each[0].evidence}: {each[0].source}")
    return "\n".join(lines)
