"""What the command line shows: tables and one-line summaries, from results to rich renderables."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.markup import escape
from rich.style import StyleType
from rich.table import Table
from rich.text import Text

from deploy.bundle import Bundle, needs
from deploy.console import counted
from deploy.doctor import Finding
from deploy.runtime import Prediction
from deploy.work import VideoWork
from hardware import Count
from hybridnet.spiking import Layer, SpikingGraph
from simulators import needed_processes


class PlainTable(Table):
    """A table whose text is printed as it is, names with brackets among it; what has a colour is a rich `Text`."""

    def add_row(self, *cells: RenderableType | None, style: StyleType | None = None, end_section: bool = False) -> None:
        """As `Table.add_row`."""
        plain = (escape(cell) if isinstance(cell, str) else cell for cell in cells)
        super().add_row(*plain, style=style, end_section=end_section)


def new_table(title: str, *columns: str) -> PlainTable:
    """The one style of table: a line under the head, nothing wrapped while there is room."""
    heads = map(escape, columns)
    table = PlainTable(
        *heads, title=escape(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for column in table.columns:
        column.overflow = "fold"
    return table


def graph_table(title: str, graph: SpikingGraph) -> Table:
    """Layers of a spiking graph, one a row."""
    table = new_table(title, "layer", "synapses", "geometry", "neurons", "decay_v", "threshold", "scale")
    for layer, shape in zip(graph.layers, graph.shapes, strict=True):
        neurons = "x".join(map(str, shape))
        if layer.kind == "flatten":
            table.add_row(layer.name, layer.kind, "", neurons, "", "", "")
            continue
        synapses = f"{layer.kind} {'x'.join(map(str, layer.weight.shape))}"
        threshold = _threshold(layer)
        numbers = (str(layer.decay_v), threshold, f"{layer.scale:.3g}")
        table.add_row(layer.name, synapses, _geometry(layer), neurons, *numbers)
    return table


def _threshold(layer: Layer) -> str:
    if layer.threshold is None:
        return "sends v" if layer.graded else "never spikes"
    return f"{layer.threshold}, subtracted" if layer.reset == "subtract" else str(layer.threshold)


def _geometry(layer: Layer) -> str:
    if layer.kind != "conv":
        return ""
    parts = [f"stride {_pair(layer.stride)}", f"pad {_pair(layer.padding)}"]
    if layer.dilation != (1, 1):
        parts.append(f"dilation {_pair(layer.dilation)}")
    if layer.groups > 1:
        parts.append(f"{layer.groups} groups")
    return ", ".join(parts)


def _pair(pair: tuple[int, int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"


def partition_table(bundle: Bundle) -> Table:
    """The split, part by part."""
    table = new_table("partition", "part", "side", "why")
    for label in bundle.manifest.partition:
        table.add_row(label.part, label.side, label.reason)
    return table


def port_table(bundle: Bundle) -> Table:
    """What crosses the bridge."""
    table = new_table("bridge", "port", "shape", "range", "scale", "sampled", "bytes a clip")
    for port in bundle.manifest.ports:
        table.add_row(
            port.name, "x".join(map(str, port.shape)), f"int{port.bits}", f"{port.scale:.4g}",
            f"after step {port.step}", f"{port.bytes_per_clip:,}",
        )  # fmt: skip
    return table


def count_table(counts: Iterable[Count], title: str) -> Table:
    """Exact counts, one row per part, layer and operation."""
    table = new_table(title, "stream", "layer", "operation", "count")
    table.columns[3].justify = "right"
    for count in counts:
        table.add_row(count.part, count.layer, count.name, f"{count.count:,}")
    return table


def timing_line(prediction: Prediction) -> str:
    """Where the time went."""
    return "time: " + ", ".join(f"{stage} {seconds * 1e3:.0f} ms" for stage, seconds in prediction.timings.items())


def prediction_table(prediction: Prediction, rows: int = 5) -> Table:
    """The best labels."""
    table = new_table("scores", "label", "score")
    for label, score in list(zip(prediction.labels, prediction.scores, strict=True))[:rows]:
        table.add_row(label, f"{score:.1%}")
    return table


def manifest_lines(bundle: Bundle) -> list[str]:
    """The rest of a manifest, in words."""
    manifest = bundle.manifest
    trained = "untrained weights: its predictions mean nothing" if manifest.training is None else "trained weights"
    pre = manifest.preprocessing
    return [
        f"hybridnet {manifest.toolkit}, target {manifest.target}, {manifest.parameters:,} parameters, {trained}",
        f"{len(manifest.labels)} classes; {pre.triplets} triplets of 1 I-frame and {pre.steps} P-frames, "
        f"{pre.size} px from a short side of {pre.short_side}",
        needs_line("the .net files", manifest.processes),
        f"{sum(node.macs for node in manifest.nodes.values()):,} multiply-accumulates per triplet in "
        f"{len(manifest.nodes)} ONNX nodes",
    ]


def needs_line(what: str, processes: Sequence[str]) -> str:
    """Whether stock Lava runs it, in words."""
    plain = "which loads in lava-dl's netx as it is" if not processes else "which lava-dl's netx refuses"
    return f"{what}: needs {needs(processes)}, {plain}"


def graph_dict(graph: SpikingGraph) -> dict[str, Any]:
    """A spiking graph without its weights, JSON-ready."""
    layers = [
        {
            "name": layer.name, "kind": layer.kind, "shape": shape,
            "weight_shape": layer.weight.shape,
            "stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation, "groups": layer.groups,
            "decay_u": layer.decay_u, "decay_v": layer.decay_v, "threshold": layer.threshold,
            "reset": layer.reset, "graded": layer.graded, "scale": layer.scale,
        }
        for layer, shape in zip(graph.layers, graph.shapes, strict=True)
    ]  # fmt: skip
    return {
        "input_shape": graph.input_shape, "input_bits": graph.input_bits, "steps": graph.steps,
        "processes": needed_processes(graph), "layers": layers,
    }  # fmt: skip


def doctor_table(findings: Iterable[Finding]) -> Table:
    """Findings, one a row; a remedy only where something is missing."""
    table = new_table("doctor", "part", "state", "found", "remedy")
    for finding in findings:
        state = Text("ready", "green") if finding.ready else Text("missing", "red")
        table.add_row(finding.part, state, finding.found, "" if finding.ready else finding.remedy)
    return table


def joules(value: float) -> str:
    """Joules with a readable prefix, three digits; all of a whole number's from a thousand joules on."""
    if value >= 999.5:
        return f"{value:,.0f} J"
    value = float(f"{value:.3g}")  # before the prefix is chosen: 999.6 uJ are 1 mJ
    for factor, unit in ((1.0, "J"), (1e-3, "mJ"), (1e-6, "uJ"), (1e-9, "nJ")):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value / 1e-12:.3g} pJ"


def prediction_line(prediction: Prediction) -> str:
    """Label, score, energy and time of one video in a line."""
    cost = joules(prediction.energy.total)
    return (
        f"{prediction.labels[0]} ({prediction.scores[0]:.1%}), {cost} under {prediction.energy.regime}, "
        f"{prediction.timings['total'] * 1e3:.0f} ms, {counted(prediction.clips, 'clip')}"
    )


def work_dict(work: VideoWork, counts: Iterable[Count]) -> dict[str, Any]:
    """Work of a video and the counts asked for, JSON-ready."""
    return {
        "clips": work.clips,
        "spike_rate": work.spike_rate,
        "rates": dict(work.rates),
        "overflows": dict(work.overflows),
        "counts": [asdict(count) for count in counts],
    }


def work_lines(work: VideoWork) -> list[str]:
    """Spike rates and state overflows in words."""
    lines = [rate_line(work)]
    if work.overflows:
        counts = ", ".join(f"{name} {n:,}" for name, n in work.overflows.items())
        lines.append(f"state left 24 bits ({counts}): the same on every backend, and a sign of too small a scale")
    return lines


def rate_line(work: VideoWork) -> str:
    """Spike rates in words."""
    rates = ", ".join(f"{name} {rate:.2%}" for name, rate in work.rates.items())
    return f"spike rate {work.spike_rate:.2%} per neuron and step ({rates})"
