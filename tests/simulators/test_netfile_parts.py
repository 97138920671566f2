"""Input layers with neurons in .net files, and parts of a network as netx takes them."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from hybridnet.errors import GraphError
from hybridnet.spiking import Layer, SpikingGraph
from net_edits import GRAPH, put
from simulators import load_net, save_net


def with_input_neurons(file: h5py.File) -> None:
    """The file's bare input layer as lava-dl's own `slayer.block.cuba.Input` exports it."""
    for key, value in {"type": "CUBA", "iDecay": 4096, "vDecay": 1024, "vThMant": 25, "refDelay": 1}.items():
        put(f"layer/0/neuron/{key}", value)(file)
    put("layer/0/weight", np.float32([36]))(file)
    put("layer/0/bias", np.float32(34))(file)


def test_an_input_layer_with_neurons(edited, tmp_path):
    graph = load_net(edited(with_input_neurons))
    first = Layer("layer0", "input", np.array([36]), bias=np.array([34]), decay_v=1024, threshold=25)
    assert graph == replace(GRAPH, layers=(first, *GRAPH.layers))
    save_net(tmp_path / "again.net", graph)
    assert load_net(tmp_path / "again.net") == graph
    with h5py.File(tmp_path / "again.net", "r") as file:
        assert [file[f"layer/{i}/type"][0] for i in range(4)] == [b"input", b"conv", b"flatten", b"dense"]


def test_an_input_layer_with_neurons_need_not_state_weight_and_bias(edited):
    def change(file: h5py.File) -> None:
        with_input_neurons(file)
        del file["layer/0/weight"], file["layer/0/bias"]

    first = load_net(edited(change)).layers[0]
    assert (first.weight.tolist(), first.bias) == ([64], None)  # netx's defaults


def test_flat_input_neurons_may_be_stated_as_columns(tmp_path):
    layers = (Layer("in", "input", np.array([64]), threshold=3), Layer("only", "dense", np.ones((2, 6), int)))
    graph = SpikingGraph(layers, (6,), 8, 1)
    save_net(tmp_path / "graph.net", graph)
    with h5py.File(tmp_path / "graph.net", "r+") as file:
        put("layer/0/shape", [6, 1, 1])(file)
    assert load_net(tmp_path / "graph.net") == graph


def test_a_part_of_a_network(edited, tmp_path):
    save_net(tmp_path / "graph.net", GRAPH)
    conv, flat, dense = GRAPH.layers
    for skip, number, expected in (
        (0, 9, GRAPH),
        (1, None, GRAPH),  # the bare input layer is the first that netx counts
        (0, 2, replace(GRAPH, layers=(conv,))),
        (0, 3, replace(GRAPH, layers=(conv,))),  # netx has no process for a flatten: at the end it does nothing
        (2, None, replace(GRAPH, layers=(flat, dense), input_shape=(4, 2, 4), input_bits=1)),
        (3, 4, replace(GRAPH, layers=(dense,), input_shape=(32,), input_bits=1)),
    ):
        assert load_net(tmp_path / "graph.net", skip_layers=skip, num_layers=number) == expected
    path = edited(with_input_neurons)
    assert load_net(path, skip_layers=1) == replace(GRAPH, input_bits=1)  # behind neurons there are only spikes


def test_what_a_part_leaves_out_is_not_checked(edited):
    path = edited(put("layer/1/type", np.array([b"pool"])))
    assert load_net(path, skip_layers=3).layers == GRAPH.layers[2:]
    path = edited(put("layer/3/type", np.array([b"average"])))
    assert load_net(path, num_layers=3).layers == GRAPH.layers[:1]


def test_names_in_a_part_are_those_in_the_whole(edited):
    path = edited(lambda file: [file[f"layer/{i}"].attrs.clear() for i in (1, 2, 3)])
    assert [layer.name for layer in load_net(path).layers] == ["layer1", "layer2", "layer3"]
    assert [layer.name for layer in load_net(path, skip_layers=2).layers] == ["layer2", "layer3"]


@pytest.mark.parametrize(("skip", "number"), [(4, None), (-1, None), (0, 0), (2, 2), (0, -1)])
def test_a_part_of_nothing_is_refused(tmp_path, skip, number):
    save_net(tmp_path / "graph.net", GRAPH)
    with pytest.raises(GraphError, match=rf"skip_layers {skip}, num_layers {number} leave none of 4 layers; take at"):
        load_net(tmp_path / "graph.net", skip, number)
    with pytest.raises(GraphError, match="no layer has neurons"):
        load_net(tmp_path / "graph.net", num_layers=1)
