"""`hybridnet inspect --target`: layers on the cores of a chip, as tables, lines and JSON."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from deploy.bundle import Bundle, Golden
from deploy.console import counted, print_json, progress, show
from deploy.views.results import new_table
from hardware import ChipMapping, LayerMapping, Target, Traffic, check_graph, load_target, map_graphs
from hardware.fit import Load
from hybridnet.errors import TargetError
from hybridnet.spiking import SpikingGraph

COLUMNS = {
    "neurons_per_core": "neurons",
    "synapse_memory": "synapses",
    "axons_in": "axons in",
    "axons_out": "axons out",
}


def inspect_mapping(
    name: str, graphs: Mapping[str, SpikingGraph], target: str, bundle: Bundle | None, png: Path | None, as_json: bool
) -> None:
    """Print where the layers lie on the target, what of it is full, what breaks a rule, and what would take less.

    `bundle` gives the spikes that messages are counted at; `png` draws the chips. Of a target of prices, the chip is
    taken whose prices they are. TargetError for a target that cannot be read, or has no limits.
    """
    chip = load_target(target)
    if chip.chip:
        chip = load_target(chip.chip)
    with progress() as bar:
        bar.add_task(f"mapping to {chip.name}", total=None)
        mapping = map_graphs(graphs, chip)
        broken = [*_broken_rules(graphs, chip), *mapping.broken()]
        activity = None if bundle is None else _golden_activity(bundle)
        changes = {f"{layer.part}/{layer.name}": layer.changes for layer in mapping.layers}
        if png is not None:
            from deploy.pictures.mapping import draw_mapping

            draw_mapping(mapping, name, png)
    if as_json:
        print_json(mapping_dict(mapping, broken, activity))
        return
    show(mapping_table(mapping, f"{name} on {chip.name}"))
    show(traffic_table(mapping, activity))
    show(*_lines(mapping, broken))
    for place, proposals in changes.items():
        if proposals and not broken:
            show(f"{place} would take fewer cores with {', or '.join(map(str, proposals))}")


def mapping_table(mapping: ChipMapping, title: str) -> Table:
    """Layers, one a row: the boxes that cores hold, and how full the fullest core is by each limit."""
    table = new_table(title, "layer", "shape", "a core", "kernels", "cores", "chips", "binds", *COLUMNS.values())
    for column in table.columns[7:]:
        column.justify = "right"
    for layer in mapping.layers:
        fit = layer.fit
        tiling, wiring = fit.cores.tiling, fit.cores.wiring
        table.add_row(
            f"{layer.part}/{layer.name}", "x".join(map(str, wiring.outputs)), "x".join(map(str, tiling.box)),
            tiling.kernel if wiring.weight_bits else "none", f"{fit.cores.number:,}", _span(layer.chips),
            Text("no fit", "red") if fit.broken else COLUMNS.get(fit.binding or "", ""), *map(_share, fit.loads),
        )  # fmt: skip
    return table


def traffic_table(mapping: ChipMapping, activity: Mapping[str, float] | None) -> Table:
    """Messages, one row per layer that spikes and per input: per spike, and per step of the golden clip."""
    table = new_table(
        "messages", "from", "cores a spike", "hops a message", "chip borders", "spikes a step", "messages a step"
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for traffic in [*mapping.inputs, *mapping.traffic]:
        if traffic.messages:
            spikes = None if activity is None else activity[_place(traffic)]
            table.add_row(_place(traffic), *_travels(traffic), *_rates(traffic, spikes))
    return table


def mapping_dict(mapping: ChipMapping, broken: Iterable[str], activity: Mapping[str, float] | None) -> dict[str, Any]:
    """A mapping, JSON-ready; `fill` is how full each core is, by the limit it is closest to."""
    messages = None
    if activity is not None:
        messages = {
            _place(traffic): activity[_place(traffic)] * traffic.messages / traffic.neurons
            for traffic in [*mapping.inputs, *mapping.traffic]
        }
    broken = list(broken)
    return {
        "target": mapping.target.name,
        "fits": not broken,
        "broken": broken,
        "cores": mapping.cores,
        "chips": mapping.chips,
        "layers": [_layer_dict(layer) for layer in mapping.layers],
        "inputs": [asdict(traffic) for traffic in mapping.inputs],
        "messages_per_step": messages,
    }


def _layer_dict(layer: LayerMapping) -> dict[str, Any]:
    tiling, wiring = layer.fit.cores.tiling, layer.fit.cores.wiring
    return {
        "part": layer.part, "layer": layer.name, "shape": wiring.outputs, "weight_bits": wiring.weight_bits,
        "box": tiling.box, "kernel": tiling.kernel if wiring.weight_bits else None,
        "cores": layer.fit.cores.number, "first_core": layer.first, "chips": list(layer.chips),
        "binding": layer.fit.binding, "broken": layer.fit.broken,
        "loads": [asdict(load) for load in layer.fit.loads],
        "fill": [round(share, 4) for share in layer.fit.shares().ravel().tolist()],
        "traffic": asdict(layer.traffic), "changes": [asdict(change) for change in layer.changes],
    }  # fmt: skip


def _broken_rules(graphs: Mapping[str, SpikingGraph], target: Target) -> Iterator[str]:
    """The first rule of arithmetic that each graph breaks."""
    for part, graph in graphs.items():
        try:
            check_graph(graph, target, part)
        except TargetError as error:
            yield str(error)


def _golden_activity(bundle: Bundle) -> dict[str, float]:
    """Spikes a step of every layer in the golden clip, and inputs a step that are not zero."""
    golden = Golden(bundle.golden_path)
    activity: dict[str, float] = {}
    for part, graph in bundle.graphs.items():
        activity[f"{part}/input"] = np.count_nonzero(golden[f"{part}/input"]) / graph.steps
        for layer, _, _, _ in graph.neuron_layers():
            spikes = golden[f"{part}/{layer.name}/spikes"] if layer.threshold is not None else np.zeros(1)
            activity[f"{part}/{layer.name}"] = np.count_nonzero(spikes) / graph.steps
    return activity


def _lines(mapping: ChipMapping, broken: list[str]) -> Iterator[str]:
    target = mapping.target
    room = mapping.chips * target.stated("cores")
    yield (
        f"{counted(mapping.cores, 'core')} of {room:,} on {counted(mapping.chips, 'chip')} of {target.name}, "
        f"{'which it does not fit' if broken else 'which it fits'}"
    )
    open_limits = [limit for limit in COLUMNS if target.count(limit) is None]
    if open_limits:
        yield f"not checked, for {target.name} has no published limit: {', '.join(open_limits)}"
    yield from broken


def _span(chips: range) -> str:
    return str(chips[0]) if len(chips) == 1 else f"{chips[0]}-{chips[-1]}"


def _share(load: Load) -> str:
    return "-" if load.limit is None else f"{load.share:.0%}"


def _place(traffic: Traffic) -> str:
    return f"{traffic.part}/{traffic.layer}"


def _travels(traffic: Traffic) -> tuple[str, str, str]:
    told = f"{traffic.messages / traffic.neurons:.2f}"
    if traffic.hops_x is None or traffic.hops_y is None or traffic.crossings is None:
        return told, "-", "-"
    hops, crossings = (total / traffic.messages for total in (traffic.hops_x + traffic.hops_y, traffic.crossings))
    return told, f"{hops:.2f}", f"{crossings:.2f}"


def _rates(traffic: Traffic, spikes: float | None) -> tuple[str, str]:
    return ("-", "-") if spikes is None else (f"{spikes:,.0f}", f"{spikes * traffic.messages / traffic.neurons:,.0f}")
