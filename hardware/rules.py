"""Design rules of a chip: what a graph must respect before it is exported to a target.

One function per rule, named as the rule. Each looks at one site, reads its limit from the target, and returns what is
wrong (value, limit, remedy) or None. `check_graph` runs them all.

The two bounds follow the worst case from zero state over the graph's steps, every input at its largest magnitude and
of the sign that hurts (the dynamics are those of `hybridnet.spiking`; truncation toward zero never lifts a magnitude):

    U_t = floor(U_(t-1) * (4096 - decay_u) / 4096) + 64 * reach
    V_t = floor(V_(t-1) * (4096 - decay_v) / 4096) + U_t + 64 * max|bias|
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hardware.target import Target, list_targets, load_target
from hybridnet.errors import TargetError
from hybridnet.spiking import DECAY_UNITY, POTENTIAL_UNITS, Layer, SpikingGraph


@dataclass(frozen=True)
class Site:
    """Where a rule looks: one layer with neurons, and what reaches it.

    layer        conv or dense
    input_bits   width of the graph's own input
    input_limit  largest magnitude of an element that reaches the layer: 1 behind a spiking layer
    steps        steps from zero state
    """

    layer: Layer
    input_bits: int
    input_limit: int
    steps: int


def check_graph(graph: SpikingGraph, target: Target, name: str) -> None:
    """TargetError on the first rule of the target that the graph breaks, layer by layer; None if it keeps them all.

    The error names graph and layer ("motion/conv2"), rule, value, limit and remedy. A target without limits, which is
    there for its prices, holds no graph: TargetError as well.
    """
    if not target.limits:
        chips = ", ".join(known for known in list_targets() if load_target(known).limits)
        raise TargetError(f"{name}: target {target.name} has prices but no limits to export to; choose one of {chips}")
    for site in _sites(graph):
        for rule in RULES:
            complaint = rule(site, target)
            if complaint is not None:
                place = f"{name}/{site.layer.name}"
                raise TargetError(f"{place}: breaks rule {rule.__name__} of target {target.name}: {complaint}")


def input_bits(site: Site, target: Target) -> str | None:
    """An element of the graph's input fits the target's spike message."""
    limit = target.bits("input_bits")
    if site.input_bits <= limit:
        return None
    return f"input of {site.input_bits} bits is over the limit of {limit}; quantise the input to {limit} or fewer"


def weight_bits(site: Site, target: Target) -> str | None:
    """Weights are signed integers of weight_bits bits times 2^weight_exponent (8 and 1: even integers, -256..254)."""
    step = 2 ** target.bits("weight_exponent")
    half = 2 ** (target.bits("weight_bits") - 1)
    low, high = -half * step, (half - 1) * step
    weight = site.layer.weight
    bad = weight[(weight < low) | (weight > high) | (weight % step != 0)]
    if not bad.size:
        return None
    return f"weight {bad[0]} is not a multiple of {step} within {low}..{high}; quantise the weights with another scale"


def decay_bits(site: Site, target: Target) -> str | None:
    """decay_v fits decay_bits unsigned (12 bits: 0..4095); decay_u may be one more, for Lava stores decay_u - 1."""
    limit = 2 ** target.bits("decay_bits") - 1
    if site.layer.decay_v > limit:
        return f"decay_v {site.layer.decay_v} is over the limit of {limit}; let the membrane keep a little more"
    if site.layer.decay_u > limit + 1:
        return f"decay_u {site.layer.decay_u} is over the limit of {limit + 1}; let the current keep a little more"
    return None


def threshold_bits(site: Site, target: Target) -> str | None:
    """The threshold fits threshold_bits unsigned."""
    limit = 2 ** target.bits("threshold_bits") - 1
    if site.layer.threshold is None or site.layer.threshold <= limit:
        return None
    return f"threshold {site.layer.threshold} is over the limit of {limit}; quantise the layer with a larger scale"


def bias_bits(site: Site, target: Target) -> str | None:
    """The bias fits bias_bits signed (13 bits: -4096..4095)."""
    if site.layer.bias is None:
        return None
    half = 2 ** (target.bits("bias_bits") - 1)
    bad = site.layer.bias[(site.layer.bias < -half) | (site.layer.bias >= half)]
    if not bad.size:
        return None
    return f"bias {bad[0]} is outside {-half}..{half - 1}; quantise the layer with a larger scale"


def reset_kind(site: Site, target: Target) -> str | None:
    """A spiking layer resets in a way the target's neuron knows."""
    if site.layer.threshold is None or site.layer.reset in target.resets:
        return None
    known = " or ".join(target.resets)
    remedy = f'train the model with reset="{target.resets[0]}" or choose a target that knows it'
    return f'reset "{site.layer.reset}" is not supported, only {known}; {remedy}'


def readout_kind(site: Site, target: Target) -> str | None:
    """A readout's potential leaves in a way the target knows: looked up, or sent as a graded spike."""
    kind = "graded" if site.layer.graded else "probed"
    if site.layer.threshold is not None or kind in target.readouts:
        return None
    return f"{kind} readout is not supported, only {' or '.join(target.readouts)}; set graded={not site.layer.graded}"


def accumulation_bound(site: Site, target: Target) -> str | None:
    """The current u never wraps: |u| stays under 2^(state_bits - 1).

    With decay_u 4096 (no current memory) that is reach < 2^17 for 24 bits.
    """
    limit = 2 ** (target.bits("state_bits") - 1) - 1
    current, _ = _peaks(site)
    if current <= limit:
        return None
    return (
        f"current can reach {current} in {site.steps} steps (input up to {site.input_limit}) and wraps over the limit "
        f"of {limit}; quantise the layer with a larger scale, so that its weights shrink"
    )


def readout_bound(site: Site, target: Target) -> str | None:
    """The potential of a probed readout stays at or under the largest threshold times 64.

    Such a readout is exported as a LIF neuron with that threshold: above it the neuron would spike and reset.
    """
    if site.layer.threshold is not None or site.layer.graded:
        return None
    limit = (2 ** target.bits("threshold_bits") - 1) * POTENTIAL_UNITS
    _, potential = _peaks(site)
    if potential <= limit:
        return None
    return (
        f"potential can reach {potential} in {site.steps} steps (input up to {site.input_limit}) and the readout would "
        f"spike over the limit of {limit}; quantise the layer with a larger scale, or let it leak more"
    )


RULES = (
    input_bits,
    weight_bits,
    decay_bits,
    threshold_bits,
    bias_bits,
    reset_kind,
    readout_kind,
    accumulation_bound,
    readout_bound,
)


def _sites(graph: SpikingGraph) -> Iterator[Site]:
    for layer, _, _, limit in graph.neuron_layers():
        yield Site(layer, graph.input_bits, limit, graph.steps)


def _peaks(site: Site) -> tuple[int, int]:
    """Largest |u| and |v| that the site's neurons can reach over its steps, if nothing wrapped, clipped or spiked."""
    layer = site.layer
    drive = layer.reach(site.input_limit) * POTENTIAL_UNITS
    bias = 0 if layer.bias is None else int(np.abs(layer.bias).max()) * POTENTIAL_UNITS
    u = v = 0
    for _ in range(site.steps):
        u = u * (DECAY_UNITY - layer.decay_u) // DECAY_UNITY + drive
        v = v * (DECAY_UNITY - layer.decay_v) // DECAY_UNITY + u + bias
    return u, v
