"""The nouns check themselves: shapes by hand, and every contradiction named in one line."""

import dataclasses

import numpy as np
import pytest
import torch

from hybridnet.errors import GraphError
from hybridnet.spiking import Layer, SpikingGraph


def conv(name: str = "hidden", **options: object) -> Layer:
    return Layer(name, "conv", **{"weight": np.ones((4, 2, 3, 3), int), "threshold": 10, **options})


def readout(inputs: int) -> Layer:
    return Layer("readout", "dense", np.ones((5, inputs), int))


def neurons(**options: object) -> Layer:
    return Layer("in", "input", **{"weight": np.array([64]), "threshold": 10, **options})


@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
@pytest.mark.parametrize("padding", [(0, 0), (1, 2)])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 1)])
def test_conv_shapes_are_torchs(stride: tuple, padding: tuple, dilation: tuple) -> None:
    layer = conv(stride=stride, padding=padding, dilation=dilation)
    wanted = torch.nn.functional.conv2d(
        torch.zeros(1, 2, 11, 14), torch.zeros(4, 2, 3, 3), None, stride, padding, dilation
    )
    assert layer.output_shape((2, 11, 14)) == tuple(wanted.shape[1:])


def test_shapes_of_a_chain() -> None:
    graph = SpikingGraph((conv(), Layer("flat", "flatten"), readout(4 * 3 * 2)), (2, 5, 4), 8, 11)
    assert graph.shapes == ((4, 3, 2), (24,), (5,))
    assert graph.output_shape == (5,)
    rows = [(layer.name, source, shape, limit) for layer, source, shape, limit in graph.neuron_layers()]
    assert rows == [("hidden", (2, 5, 4), (4, 3, 2), 127), ("readout", (24,), (5,), 1)]


@pytest.mark.parametrize(("bits", "limit"), [(1, 1), (2, 1), (8, 127), (16, 32767)])
def test_input_limit(bits: int, limit: int) -> None:
    assert SpikingGraph((readout(3),), (3,), bits, 1).input_limit == limit


def test_reach_by_hand() -> None:
    assert Layer("r", "dense", np.array([[3, -4], [1, 1]])).reach(127) == 7 * 127


def test_weights_are_copied_and_cannot_be_written() -> None:
    weight = np.ones((1, 1), int)
    layer = Layer("r", "dense", weight)
    weight[0, 0] = 9
    assert layer.weight[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        layer.weight[0, 0] = 9


def test_equality_is_by_value() -> None:
    graph = SpikingGraph((conv(bias=np.arange(4)), Layer("f", "flatten"), readout(36)), (2, 5, 5), 8, 11)
    other = SpikingGraph((conv(bias=np.arange(4)), Layer("f", "flatten"), readout(36)), (2, 5, 5), 8, 11)
    assert graph == other
    assert graph != dataclasses.replace(other, steps=12)
    assert graph != dataclasses.replace(other, layers=(conv(), *other.layers[1:]))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "pool"}, "kind 'pool'"),
        ({"reset": "soft"}, "reset 'soft'"),
        ({"weight": np.ones((4, 2, 3, 3))}, "float64 must be integer"),
        ({"weight": np.ones((4, 2), int)}, "must have 4 axes"),
        ({"weight": np.full((4, 2, 3, 3), 2**23)}, "24-bit limit"),
        ({"bias": np.ones(3, int)}, r"must be \(4,\)"),
        ({"stride": (0, 1)}, "stride"),
        ({"padding": (-1, 1)}, "padding"),
        ({"dilation": (1, 0)}, "dilation"),
        ({"groups": 3}, "3 groups"),
        ({"decay_v": 4097}, "decay_v 4097 is outside 0..4096"),
        ({"decay_u": -1}, "decay_u -1"),
        ({"threshold": 2**17}, "threshold 131072 is outside 0..131071"),
        ({"delay": np.ones(4, int)}, "a conv holds no delay, only a dense does; leave it out"),
        ({"scale": 0.0}, "scale 0.0"),
        ({"scale": float("nan")}, "scale nan"),
    ],
)
def test_a_layer_that_contradicts_itself(options: dict, words: str) -> None:
    with pytest.raises(GraphError, match=rf"^layer hidden: .*{words}"):
        Layer(**{"name": "hidden", "kind": "conv", "weight": np.ones((4, 2, 3, 3), int), "threshold": 10, **options})


def test_input_neurons() -> None:
    graph = SpikingGraph((neurons(), conv()), (2, 5, 4), 8, 11)
    rows = [(layer.name, source, shape, limit) for layer, source, shape, limit in graph.neuron_layers()]
    assert rows == [("in", (2, 5, 4), (2, 5, 4), 127), ("hidden", (2, 5, 4), (4, 3, 2), 1)]
    assert neurons().reach(127) == 127
    with pytest.raises(GraphError, match="layer in: an input has one weight for all neurons, not 2"):
        neurons(weight=np.array([64, 64]))


def test_delays() -> None:
    weight = np.ones((2, 3), int)
    for delay in ([0, 62], [1, 0, 2]):
        assert Layer("d", "dense", weight, delay=np.array(delay)).delay.tolist() == delay
    assert Layer("d", "dense", weight, delay=np.zeros(2, int)).delay is None
    for delay, words in (([63, 0], "delay 63 is outside 0..62"), ([0, -1, 0], "delay -1 is"), ([1], "delay of shape")):
        with pytest.raises(GraphError, match=f"^layer d: {words}"):
            Layer("d", "dense", weight, delay=np.array(delay))


def test_a_flatten_holds_nothing() -> None:
    with pytest.raises(GraphError, match="flatten holds no weight"):
        Layer("flat", "flatten", np.ones((1, 1), int))


@pytest.mark.parametrize(
    ("layers", "shape", "bits", "steps", "words"),
    [
        ([], (2, 5, 5), 8, 1, "no layer has neurons"),
        ([conv(), conv()], (2, 5, 5), 8, 1, "the name appears 2 times"),
        ([conv(threshold=None), readout(4)], (2, 3, 3), 8, 1, "only the last layer may be a readout"),
        ([conv(), Layer("flat", "flatten")], (2, 5, 5), 8, 1, "a flatten cannot be last"),
        ([conv()], (2, 5), 8, 1, "input shape"),
        ([conv()], (2, 5, 5), 0, 1, "input_bits 0"),
        ([conv()], (2, 5, 5), 25, 1, "input_bits 25"),
        ([conv()], (2, 5, 5), 8, 0, "steps 0"),
        ([conv()], (3, 5, 5), 8, 1, r"conv takes \(2,H,W\)"),
        ([conv()], (2, 2, 5), 8, 1, "kernel spans 3"),
        ([conv(), readout(36)], (2, 5, 5), 8, 1, "add a flatten"),
        ([conv(), neurons()], (2, 5, 5), 8, 1, "layer in: an input layer must be the first"),
    ],
)
def test_a_graph_that_contradicts_itself(layers: list, shape: tuple, bits: int, steps: int, words: str) -> None:
    with pytest.raises(GraphError, match=words):
        SpikingGraph(tuple(layers), shape, bits, steps)
