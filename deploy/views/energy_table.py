"""A ledger as the terminal shows it: priced rows, what is not in them, and what it is held against."""

from collections.abc import Iterable, Mapping, Sequence

from rich.table import Table

from deploy.console import counted
from deploy.ledger import Ledger
from deploy.views.results import joules, new_table
from deploy.work import CONVENTIONAL
from hardware import EnergyReport, EnergyRow


def ledger_table(ledger: Ledger, title: str) -> Table:
    """Count x price, one row per part, layer and operation that has joules; nodes of the conventional part folded."""
    table = new_table(title, "part", "layer", "operation", "count", "price", "energy", "evidence")
    for column in table.columns[3:6]:
        column.justify = "right"
    for (part, layer, operation), rows in _folded(ledger.report).items():
        prices = sorted({row.price_pj for row in rows if row.price_pj is not None})
        price = "-".join(dict.fromkeys(f"{value:.4g}" for value in prices[:: max(len(prices) - 1, 1)]))
        table.add_row(
            part, layer, operation, f"{sum(row.count for row in rows):,}", f"{price} pJ" if price else "",
            joules(sum(row.joules or 0.0 for row in rows)), ", ".join(sorted({row.evidence or "" for row in rows})),
        )  # fmt: skip
    return table


def ledger_lines(ledger: Ledger) -> list[str]:
    """The totals, what they leave out, the baselines and the break-even rate, in words."""
    report, regime = ledger.report, ledger.report.regime
    if report.priced:
        parts = ", ".join(f"{part} {joules(cost)}" for part, cost in report.parts.items() if cost)
        each = joules(report.total / ledger.clips)
        lines = [f"total {joules(report.total)} per video under {regime}: {parts}; {each} per triplet"]
    else:
        lines = [f"no total: {regime} has no price for anything that ran"]
    if report.unpriced:
        lines.append(f"not in the total, for {regime} has no price: {', '.join(report.unpriced)}")
    if report.included:
        words: dict[str, list[str]] = {}
        for operation, within in report.included.items():
            words.setdefault(within, []).append(operation)
        lines += [f"within the price of a {within}: {', '.join(names)}" for within, names in words.items()]
    if ledger.mapping is None:
        lines.append(f"messages, hops: not included without a mapping, and {regime} is no chip")
    else:
        on = f"{counted(ledger.mapping.cores, 'core')} of {counted(ledger.mapping.chips, 'chip')}"
        fits = ", though they do not fit" if next(ledger.mapping.broken(), None) else ""
        name = ledger.mapping.target.name
        lines.append(f"messages, hops: of the streams' spikes, mapped to {on} of {name}{fits}")
        graded = any(row.operation == "mac" and row.part in ledger.streams for row in report.rows)
        if graded and ledger.mapping.target.bits("input_bits") == 1:
            lines.append(f"the first layers' graded input would not run on {name}, whose spikes carry no payload")
    if not ledger.measured:
        lines.append("decode: not included, no energy counters of the processor can be read here (/sys/class/powercap)")
    return [*lines, *_comparison(ledger)]


def source_lines(reports: Iterable[EnergyReport]) -> list[str]:
    """Where the prices are stated, each source once."""
    sources = dict.fromkeys(row.source for report in reports for row in report.rows if row.source and row.joules)
    return [f"source: {source}" for source in sources]


def regimes_table(ledgers: Mapping[str, Ledger]) -> Table:
    """One video under every regime, a row each."""
    table = new_table(
        "regimes", "regime", "total", "streams", "dense total", "ConvLSTM total", "break-even rate", "unpriced"
    )
    for name, ledger in ledgers.items():
        streams = sum(ledger.report.parts.get(stream, 0.0) for stream in ledger.streams)
        others = [joules(r.total) if ledger.comparable else "-" for r in (ledger.dense, ledger.convlstm)]
        table.add_row(
            name, joules(ledger.report.total), joules(streams), *others, _rate(ledger.break_even),
            counted(len(ledger.report.unpriced), "operation"),
        )  # fmt: skip
    return table


def left_out_lines(ledgers: Mapping[str, Ledger]) -> list[str]:
    """Which regimes have no price for anything of a part, so that their totals are not of the same."""
    lines: dict[str, list[str]] = {}
    for name, ledger in ledgers.items():
        parts = dict.fromkeys(row.part for row in ledger.report.rows)
        missing = ", ".join(part for part in parts if part not in ledger.report.parts)
        if missing:
            lines.setdefault(missing, []).append(name)
    return [f"no price for anything of {parts}: {', '.join(names)}" for parts, names in lines.items()]


def summary_table(summary: Mapping[str, tuple[float, float]], videos: int) -> Table:
    """Mean and spread over videos."""
    table = new_table(f"{counted(videos, 'video')}: mean and standard deviation", "per video", "mean", "spread")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, (middle, spread) in summary.items():
        show = joules if "joules" in name else _share if "rate" in name or "Sparsity" in name else _number
        table.add_row(name.replace("_", " "), show(middle), show(spread))
    return table


def _comparison(ledger: Ledger) -> list[str]:
    if not ledger.comparable:
        return [f"no dense baseline: {ledger.report.regime} has no price for a mac of the STMs"]
    total, dense, convlstm = ledger.report.total, ledger.dense.total, ledger.convlstm.total
    lines = [
        f"dense baseline {joules(dense)}: the same network with its STMs as ordinary convolutions; this video costs "
        f"{total / dense:.1%} of it, and {total / convlstm:.1%} of {joules(convlstm)} with ConvLSTMs"
    ]
    rate = f"this video has {ledger.spike_rate:.2%}"
    if ledger.break_even is None:
        return [*lines, "no break-even spike rate: nothing spiked, or spikes have no price"]
    if ledger.break_even == 0:
        return [*lines, f"no spike rate breaks even: without a spike the STMs cost more than dense ones; {rate}"]
    if ledger.break_even > 1:
        return [
            *lines,
            f"the STMs are cheaper than dense ones whatever they do: break-even at {ledger.break_even:.0%}; {rate}",
        ]
    return [*lines, f"break-even at {ledger.break_even:.2%} spikes per neuron and step, dense above; {rate}"]


def _folded(report: EnergyReport) -> dict[tuple[str, str, str], Sequence[EnergyRow]]:
    """Rows with joules by (part, layer, operation), the nodes of the conventional part as one: there are dozens."""
    nodes = len({row.layer for row in report.rows if row.part == CONVENTIONAL})
    folded: dict[tuple[str, str, str], list[EnergyRow]] = {}
    for row in report.rows:
        if row.joules is not None:
            layer = f"{nodes} nodes" if row.part == CONVENTIONAL else row.layer
            folded.setdefault((row.part, layer, row.name), []).append(row)
    return dict(folded)


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def _share(value: float) -> str:
    return f"{value:.3%}"


def _number(value: float) -> str:
    return f"{value:,.0f}"
