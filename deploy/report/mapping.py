"""Where a bundle's layers lie on the chip it was exported to, as a table for a page."""

from typing import Any

from deploy.bundle import Bundle
from deploy.console import counted
from hardware import LayerMapping, list_targets, load_target, map_graphs


def mapping_view(bundle: Bundle) -> dict[str, Any] | None:
    """Cores, chips and what binds, layer by layer; None if the bundle's target is no shipped one, or has no limits."""
    name = bundle.manifest.target
    target = load_target(name) if name in list_targets() else None
    if target is None or not target.limits:
        return None
    mapping = map_graphs(bundle.graphs, target)
    broken = list(mapping.broken())
    rules = [load.rule for load in mapping.layers[0].fit.loads]
    messages = [traffic for traffic in (*mapping.inputs, *mapping.traffic) if traffic.messages]
    return {
        "words": f"{counted(mapping.cores, 'core')} on {counted(mapping.chips, 'chip')} of {target.name}"
        f"{'' if broken else ', and every layer fits'}. Shares are of the fullest core; a limit that is not published "
        "has none.",
        "caption": f"Layers on {target.name}",
        "columns": ["layer", "shape", "a core holds", "cores", "binds", *(rule.replace("_", " ") for rule in rules)],
        "rows": [_row(layer) for layer in mapping.layers],
        "lines": [*broken, *(_travel(each.part, each.layer, each.messages / each.neurons) for each in messages)],
    }


def _row(layer: LayerMapping) -> tuple[Any, ...]:
    cores = layer.fit.cores
    shares = ["-" if load.limit is None else f"{load.share:.0%}" for load in layer.fit.loads]
    return (
        f"{layer.part}/{layer.name}", "x".join(map(str, cores.wiring.outputs)), "x".join(map(str, cores.tiling.box)),
        cores.number, "does not fit" if layer.fit.broken else (layer.fit.binding or "-").replace("_", " "), *shares,
    )  # fmt: skip


def _travel(part: str, layer: str, cores: float) -> str:
    return f"A spike of {part}/{layer} is told to {cores:.3g} cores."
