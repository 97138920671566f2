"""The health of layers whose spikes, potentials and overflows are known by construction."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from deploy.health import Checkup, Finding, LayerHealth, find_problems
from deploy.views.health import health_dict, health_lines, health_table
from hybridnet.spiking import Layer, SpikingGraph
from simulators import simulate

EVERYTHING = ("spikes", "v")
NO_LEAK, NO_MEMORY = 0, 4096

# One row of weights a neuron. From four inputs of 1 in every step: `on` spikes always; of `mixed` the first neuron gets
# 40 and spikes always, the second 5 and the third 20 of the 30 it takes, with no memory of the step before; `dead` gets
# 4 of 100 from the one that spikes, and the readout nothing.
ON = Layer("on", "dense", 10 * np.eye(4, dtype=int), decay_v=NO_LEAK, threshold=5)
MIXED = Layer(
    "mixed", "dense", np.array([[10, 10, 10, 10], [5, 0, 0, 0], [20, 0, 0, 0]]), decay_v=NO_MEMORY, threshold=30
)
DEAD = Layer("dead", "dense", np.full((2, 3), 4), decay_v=NO_MEMORY, threshold=100)
READOUT = Layer("readout", "dense", np.ones((1, 2), int))
GRAPH = SpikingGraph((ON, MIXED, DEAD, READOUT), (4,), 1, steps=3)

ONES, ZEROS = np.ones((3, 4), int), np.zeros((3, 4), int)


def examine(
    graph: SpikingGraph, inputs: Sequence[np.ndarray], record: Sequence[str] = EVERYTHING
) -> dict[str, LayerHealth]:
    checkup = Checkup({"stream": graph})
    for x in inputs:
        checkup.add({"stream": simulate(graph, x, record=record)})
    return {layer.name.removeprefix("stream/"): layer for layer in checkup.result()}


def problems(layers: dict[str, LayerHealth]) -> list[tuple[str, str]]:
    return [(finding.layer, finding.problem) for finding in find_problems(tuple(layers.values()))]


def test_every_fact_of_every_layer() -> None:
    layers = examine(GRAPH, [ONES, ONES])
    blank = {"clips": 2, "overflows": 0, "first_overflow": None}
    assert layers == {
        "on": LayerHealth(
            "stream/on", channels=4, neurons=4, updates=24, events=96, spikes=24, dead_channels=(), spiking=4,
            always_on=4, near=0, highest=0.0, reach=0.0, **blank,
        ),
        "mixed": LayerHealth(
            "stream/mixed", channels=3, neurons=3, updates=18, events=72, spikes=6, dead_channels=(1, 2), spiking=1,
            always_on=1, near=1, highest=20 / 30, reach=20 * 64 / (2**23 - 1), **blank,
        ),
        "dead": LayerHealth(
            "stream/dead", channels=2, neurons=2, updates=12, events=12, spikes=0, dead_channels=(0, 1), spiking=0,
            always_on=0, near=0, highest=4 / 100, reach=4 * 64 / (2**23 - 1), **blank,
        ),
        "readout": LayerHealth(
            "stream/readout", channels=1, neurons=1, updates=6, events=0, spikes=None, dead_channels=None, spiking=None,
            always_on=None, near=None, highest=None, reach=0.0, **blank,
        ),
    }  # fmt: skip
    assert [layer.rate for layer in layers.values()] == [1.0, 6 / 18, 0.0, None]


def test_every_problem_is_named_with_its_figures() -> None:
    findings = find_problems(tuple(examine(GRAPH, [ONES, ONES]).values()))
    assert [(finding.layer, finding.problem) for finding in findings] == [
        ("stream/on", "always on"),
        ("stream/mixed", "dead neurons"),
        ("stream/mixed", "always on"),
        ("stream/dead", "dead"),
        ("stream/readout", "dead"),
    ]
    words = [finding.words for finding in findings]
    assert words[0].startswith("100.0% of its neurons spike in a step, the limit is 50%: raise its threshold")
    assert words[1].startswith("2 of 3 neurons never spiked in 2 clips (1, 2): prune them")
    assert words[2].startswith("1 of 3 neurons spike at every step, the limit is 1% of them")
    assert words[3].startswith(
        "no spike in 2 clips, its highest potential is 4.0% of its threshold: lower its threshold"
    )
    assert words[4].startswith("nothing reached it in 2 clips: see the layer before it")


def test_clips_add_up() -> None:
    layers = examine(GRAPH, [ZEROS, ONES])
    assert (layers["on"].rate, layers["on"].spiking, layers["on"].always_on) == (0.5, 4, 0)
    assert (layers["mixed"].near, layers["mixed"].dead_channels) == (1, (1, 2))
    assert problems(layers) == [("stream/mixed", "dead neurons"), ("stream/dead", "dead"), ("stream/readout", "dead")]


def test_weights_that_cancel_and_a_still_video() -> None:
    readout = Layer("readout", "dense", np.array([[1, -1, 2, -2]]))
    graph = SpikingGraph((ON, readout), (4,), 1, steps=3)
    findings = find_problems(tuple(examine(graph, [ONES]).values()))
    assert findings[-1].words.startswith("its potential is 0 after each of 1 clip: its weights are 0 or cancel")
    for finding in find_problems(tuple(examine(graph, [ZEROS]).values())):
        assert (finding.problem, finding.words[:33]) == ("dead", "nothing reached it in 1 clip: see")


def test_counts_alone_tell_of_layers_and_not_of_neurons() -> None:
    layers = examine(GRAPH, [ONES], record=())
    known = examine(GRAPH, [ONES])
    for name, layer in layers.items():
        for fact in ("events", "spikes", "overflows", "updates"):
            assert getattr(layer, fact) == getattr(known[name], fact)
        assert (layer.dead_channels, layer.spiking, layer.always_on, layer.near, layer.highest) == (None,) * 5
    assert [layer.reach for layer in layers.values()] == [None, None, None, 0.0]
    assert problems(layers) == [("stream/on", "always on"), ("stream/dead", "dead"), ("stream/readout", "dead")]


@pytest.mark.parametrize("first", [(), ("spikes",), ("v",), EVERYTHING])
@pytest.mark.parametrize("second", [(), ("spikes",), ("v",), EVERYTHING])
def test_nothing_is_claimed_of_neurons_that_were_not_recorded_in_every_clip(
    first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    checkup = Checkup({"stream": GRAPH})
    for record in (first, second):
        checkup.add({"stream": simulate(GRAPH, ONES, record=record)})
    mixed = checkup.result()[1]
    both = set(first) & set(second)
    assert (mixed.dead_channels is None, mixed.spiking is None) == ("spikes" not in both,) * 2
    assert (mixed.highest is None, mixed.reach is None) == ("v" not in both,) * 2
    assert (mixed.near is None) == (both != set(EVERYTHING))


def test_a_dead_channel_of_a_convolution() -> None:
    weight = np.array([[[[50]]], [[[1]]], [[[50]]]])
    graph = SpikingGraph((Layer("conv", "conv", weight, decay_v=NO_MEMORY, threshold=20),), (1, 2, 2), 1, steps=2)
    x = np.zeros((2, 1, 2, 2), int)
    x[0, 0, 0, 1] = 1
    (layer,) = examine(graph, [x]).values()
    assert (layer.dead_channels, layer.spiking, layer.spikes) == ((1,), 2, 2)
    (finding,) = find_problems((layer,))
    assert finding.problem == "dead channels"
    assert finding.words.startswith("1 of 3 channels never spiked in 1 clip (1):")


def test_the_first_overflow_and_its_share() -> None:
    # 131072 * 64 is 2^23, one more than v holds; without leak it stays at the limit, and -131072 * 64 leaves it again
    graph = SpikingGraph((Layer("only", "dense", np.array([[131072]])),), (1,), 2, steps=4)
    quiet, loud = np.zeros((4, 1), int), np.array([[0], [0], [1], [1]])
    (layer,) = examine(graph, [quiet, loud, loud], record=()).values()
    assert (layer.overflows, layer.first_overflow, layer.reach) == (4, (1, 3), 1.0)
    (finding,) = find_problems((layer,))
    assert finding.problem == "saturated"
    assert finding.words.startswith("4 wraps and clips at 24 bits, 33% of the updates, the first in clip 1 at step 3:")


def test_a_backend_that_counts_no_overflows() -> None:
    checkup = Checkup({"stream": GRAPH})
    checkup.add({"stream": replace(simulate(GRAPH, ONES), overflow_counts={})})
    layers = checkup.result()
    assert {layer.overflows for layer in layers} == {None}
    lines = health_lines(layers, find_problems(layers))
    assert "this backend counts no overflows; --backend integer does, with the same bits" in lines
    assert [column.header for column in health_table(layers).columns] == ["layer", "spike rate", "range"]


def test_words_for_what_is_well() -> None:
    weight = np.array([[30, 0, 0, 0], [0, 30, 0, 0]])
    layers = (Layer("well", "dense", weight, decay_v=NO_MEMORY, threshold=20), READOUT)
    graph = SpikingGraph(layers, (4,), 1, steps=3)
    x = np.zeros((3, 4), int)
    x[1, 0] = x[2, 1] = 1
    found = tuple(examine(graph, [x]).values())
    assert find_problems(found) == ()
    lines = health_lines(found, ())
    assert lines[1] == (
        "stream/well headroom: 100.0% of its neurons spiked, 0.0% came to 50% of the threshold or more, "
        "0.0% stayed below"
    )
    assert lines[2].startswith("no layer is dead, none saturated, none always on (a spike rate over 50%")
    assert len(lines) == 3


def test_headroom_in_words() -> None:
    found = tuple(examine(GRAPH, [ONES]).values())
    assert (
        "stream/mixed headroom: 33.3% of its neurons spiked, 33.3% came to 50% of the threshold or more, "
        "33.3% stayed below"
    ) in health_lines(found, ())


def test_json_carries_facts_and_findings() -> None:
    found = tuple(examine(GRAPH, [ONES]).values())
    facts = health_dict(found, [Finding("stream/on", "always on", "words")])
    assert [layer["rate"] for layer in facts["health"]] == [1.0, 1 / 3, 0.0, None]
    assert facts["health"][1]["dead_channels"] == (1, 2)
    assert facts["findings"] == [{"layer": "stream/on", "problem": "always on", "words": "words"}]
