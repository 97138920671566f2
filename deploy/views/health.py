"""The health of spiking layers: a table, findings in words, and JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from deploy.health import ALWAYS_ON, NEAR, STUCK, Finding, LayerHealth
from deploy.views.results import new_table

LEGEND = {
    "spike rate": "per neuron and step",
    "dead channels": "no spike in the video",
    "every step": "neurons that never paused",
    "range": "largest magnitude of v, of its 24 bits",
    "overflows": "wraps and clips at 24 bits",
}


def health_table(layers: Sequence[LayerHealth]) -> Table:
    """One layer a row; a column only where something of it is known."""
    rows = [_row(layer) for layer in layers]
    known = [name for name in LEGEND if any(row[name] is not None for row in rows)]
    table = new_table("health", "layer", *known)
    for column in table.columns[1:]:
        column.justify = "right"
    for layer, row in zip(layers, rows, strict=True):
        table.add_row(layer.name, *(row[name] or "-" for name in known))
    return table


def health_lines(layers: Sequence[LayerHealth], findings: Sequence[Finding]) -> list[str]:
    """The columns, the room under each threshold, and what is wrong, one finding a line, or that nothing is."""
    rows = [_row(layer) for layer in layers]
    known = [f"{name}: {what}" for name, what in LEGEND.items() if any(row[name] is not None for row in rows)]
    lines = ["; ".join(known), *filter(None, map(_headroom, layers))]
    if all(layer.near is None for layer in layers):
        lines.append("single neurons and the room under the thresholds take --record spikes --record v")
    if any(layer.overflows is None for layer in layers):
        lines.append("this backend counts no overflows; --backend integer does, with the same bits")
    lines += [f"{finding.layer} {finding.problem}: {finding.words}" for finding in findings]
    if not findings:
        saturated = "" if any(layer.overflows is None for layer in layers) else ", none saturated"
        always_on = f"a spike rate over {ALWAYS_ON:.0%}, or over {STUCK:.0%} of the neurons at every step"
        lines.append(f"no layer is dead{saturated}, none always on ({always_on})")
    return lines


def health_dict(layers: Sequence[LayerHealth], findings: Sequence[Finding]) -> dict[str, Any]:
    """Facts and findings, JSON-ready."""
    return {
        "health": [{**asdict(layer), "rate": layer.rate} for layer in layers],
        "findings": [asdict(finding) for finding in findings],
    }


def _row(layer: LayerHealth) -> dict[str, str | None]:
    dead = None if layer.dead_channels is None else f"{len(layer.dead_channels):,} of {layer.channels:,}"
    return {
        "spike rate": None if layer.rate is None else f"{layer.rate:.2%}",
        "dead channels": dead,
        "every step": None if layer.always_on is None else f"{layer.always_on:,} of {layer.neurons:,}",
        "range": None if layer.reach is None else f"{layer.reach:.2%}",
        "overflows": None if layer.overflows is None else f"{layer.overflows:,}",
    }


def _headroom(layer: LayerHealth) -> str | None:
    if layer.spiking is None or layer.near is None:
        return None
    spiked, near = layer.spiking / layer.neurons, layer.near / layer.neurons
    return (
        f"{layer.name} headroom: {spiked:.1%} of its neurons spiked, {near:.1%} came to {NEAR:.0%} of the threshold or "
        f"more, {1 - spiked - near:.1%} stayed below"
    )
