"""What a clip made the spiking layers do, for a page: rasters, rates over the steps, potentials in real units."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from deploy.report.pictures import potential_uri, raster_uri
from hybridnet.spiking import POTENTIAL_UNITS, Layer, SpikingGraph
from hybridnet.trace import Trace

MAPS = 3  # strongest channels that have a map of their own
VALUES = 12  # strongest neurons listed of a readout without a map


def stream_views(graphs: Mapping[str, SpikingGraph], traces: Mapping[str, Trace]) -> Iterator[dict[str, Any]]:
    """Of every stream its spiking layers and the potentials of its last; traces with spikes recorded."""
    for stream, graph in graphs.items():
        layers = [layer for layer, _, _, _ in graph.neuron_layers()]
        last, trace = layers[-1], traces[stream]
        potential = trace.potential * (last.scale / POTENTIAL_UNITS)
        yield {
            "name": stream,
            "layers": [_layer_view(layer.name, trace.spikes[layer.name]) for layer in layers if _spikes(layer)],
            "maps_title": f"{last.name}: potentials after the last step, in real units",
            "maps": list(_maps(last.name, potential)) if potential.ndim == 3 else [],
            "listed": _values(potential) if potential.ndim == 1 else [],
        }


def _spikes(layer: Layer) -> bool:
    return layer.threshold is not None


def _layer_view(name: str, spikes: np.ndarray) -> dict[str, Any]:
    steps, channels = spikes.shape[:2]
    rates = spikes.reshape(steps, -1).mean(axis=1)
    highest = float(rates.max()) or 1.0
    uri, rows, shown = raster_uri(spikes)
    kind = "channels" if spikes.ndim == 4 else "neurons"
    return {
        "uri": uri,
        "alt": f"Spike raster of {name}: {rows} neurons of {shown} {kind} down, {steps} steps across",
        "rates": [(rate / highest, f"step {t}: {rate:.2%} of the neurons") for t, rate in enumerate(rates, 1)],
        "rates_alt": f"Spike rate of {name} by step, from {rates.min():.2%} to {rates.max():.2%} of its neurons",
        "caption": f"{name}: {shown} of {channels} {kind} down, steps 1 to {steps} across; "
        f"{rates.mean():.2%} spike a step, {rates.max():.2%} at most",
    }


def _maps(name: str, potential: np.ndarray) -> Iterator[tuple[str, str, str]]:
    """Potentials (C,H,W): the strongest over all channels, then of the strongest channels."""
    limit = float(np.abs(potential).max()) or 1.0
    strongest = np.take_along_axis(potential, np.abs(potential).argmax(axis=0)[None], axis=0)[0]
    yield _map(f"{name}, strongest of {len(potential)} channels", strongest, limit)
    for channel in np.argsort(-np.abs(potential).max(axis=(1, 2)), kind="stable")[:MAPS]:
        yield _map(f"{name}, channel {channel}", potential[channel], limit)


def _map(what: str, values: np.ndarray, limit: float) -> tuple[str, str, str]:
    span = f"{values.min():.3g} to {values.max():.3g}"
    return potential_uri(values, limit), f"Map of potentials, {what}, from {span}", f"{what}: {span}"


def _values(potential: np.ndarray) -> list[tuple[str, str]]:
    strongest = np.argsort(-np.abs(potential), kind="stable")[:VALUES]
    return [(str(neuron), f"{potential[neuron]:.4g}") for neuron in strongest]
