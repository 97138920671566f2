"""lava-dl's .net files: round trips, the fields netx reads, what others' files leave out, and every refusal."""

import os
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridnet.errors import GraphError, OutputError
from hybridnet.spiking import Layer, SpikingGraph
from net_edits import GRAPH, drop, put
from simulators import load_net, net_bytes, save_net


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_round_trip(data, cases, tmp_path_factory):
    graph, _ = data.draw(cases())
    scales, names = st.floats(1e-6, 1e6), st.text(max_size=8)
    unique = data.draw(st.lists(names, min_size=len(graph.layers), max_size=len(graph.layers), unique=True))
    layers = tuple(
        replace(layer, name=name, scale=data.draw(scales)) for layer, name in zip(graph.layers, unique, strict=True)
    )
    graph = SpikingGraph(layers, graph.input_shape, data.draw(st.integers(1, 24)), data.draw(st.integers(1, 99)))
    path = tmp_path_factory.mktemp("round") / "graph.net"
    path.write_bytes(net_bytes(graph))
    assert load_net(path) == graph
    assert net_bytes(load_net(path)) == path.read_bytes()


def test_the_fields_netx_reads(tmp_path):
    save_net(tmp_path / "graph.net", GRAPH)
    with h5py.File(tmp_path / "graph.net", "r") as file:
        assert [file[f"layer/{i}/type"][0] for i in range(4)] == [b"input", b"conv", b"flatten", b"dense"]
        assert file["layer/0/shape"][()].tolist() == [2, 4, 5]
        conv, dense = file["layer/1"], file["layer/3"]
        assert conv["shape"][()].tolist() == [4, 2, 4]
        np.testing.assert_array_equal(conv["weight"][()], GRAPH.layers[0].weight)
        assert conv["bias"][()].tolist() == [0, 1, 2, 3]
        assert [conv[key][()].tolist() for key in ("stride", "padding", "dilation")] == [[1, 1], [0, 0], [1, 1]]
        assert (conv["groups"][()], conv["inChannels"][()], conv["outChannels"][()]) == (2, 2, 4)
        assert conv["kernelSize"][()].tolist() == [3, 2]
        assert conv["neuron/type"][()] == b"CUBA"
        neurons = {key: int(dense[f"neuron/{key}"][()]) for key in ("iDecay", "vDecay", "vThMant", "refDelay")}
        assert neurons == {"iDecay": 7, "vDecay": 410, "vThMant": 131071, "refDelay": 1}
        assert not dense["neuron/gradedSpike"][()]
        assert "bias" not in dense


def test_another_s_file_gets_defaults(edited):
    def strip(file: h5py.File) -> None:
        for group in (file, *(file[f"layer/{i}"] for i in range(4))):
            for key in list(group.attrs):
                del group.attrs[key]

    graph = load_net(edited(strip))
    assert [layer.name for layer in graph.layers] == ["layer1", "layer2", "layer3"]
    assert [layer.scale for layer in graph.layers] == [1.0, 1.0, 1.0]
    assert (graph.input_bits, graph.steps) == (16, 1)
    assert graph.layers[-1].threshold == 131071  # without the flag it is a threshold like any other


def test_lava_dl_s_own_habits(edited):
    def like_slayer(file: h5py.File) -> None:
        put("layer/1/weight", GRAPH.layers[0].weight[..., None].astype(np.float32))(file)
        put("layer/1/stride", 1)(file)
        put("layer/1/neuron/type", "LOIHI")(file)  # netx runs it as CUBA
        put("layer/2/shape", [1, 1, 32])(file)
        put("layer/3/shape", [3, 1, 1])(file)
        put("layer/3/weight", GRAPH.layers[2].weight.ravel().astype(np.float64))(file)
        put("layer/3/delay", np.zeros(3))(file)
        drop("layer/3/neuron/gradedSpike")(file)

    assert load_net(edited(like_slayer)) == GRAPH


@pytest.mark.parametrize("delay", [[0, 62, 7], [3, *[0] * 31]])
def test_delays_of_neurons_and_of_inputs(edited, delay):
    graph = load_net(edited(put("layer/3/delay", np.float32(delay))))  # slayer stores them as floats
    assert graph == replace(GRAPH, layers=(*GRAPH.layers[:2], replace(GRAPH.layers[2], delay=np.array(delay))))


def test_one_delay_for_all_neurons(edited):
    assert load_net(edited(put("layer/3/delay", 5))).layers[2].delay.tolist() == [5, 5, 5]


def test_a_threshold_that_nothing_reaches_is_a_readout(edited):
    def change(file: h5py.File) -> None:
        del file["layer/3"].attrs["readout"]
        put("layer/3/neuron/vThMant", 2**18 - 1)(file)  # what slayer's Affine exports

    assert load_net(edited(change)) == GRAPH


def test_a_dense_first_layer_gives_its_own_input_shape(tmp_path):
    graph = SpikingGraph((Layer("only", "dense", np.ones((2, 6), int)),), (6,), 16, 1)
    save_net(tmp_path / "graph.net", graph)
    with h5py.File(tmp_path / "graph.net", "r+") as file:
        put("layer/0/shape", [6, 1, 1])(file)
    assert load_net(tmp_path / "graph.net") == graph


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("layer/1/type", np.array([b"pool"])), "layer first: type 'pool' is not supported; use conv, dense"),
        (put("layer/1/type", np.array([b"convT"])), "layer first: type 'convT' is not supported"),
        (put("layer/3/type", np.array([b"average"])), "layer out: type 'average' is not supported"),
        (put("layer/3/type", np.array([b"concat"])), "layer out: type 'concat' is not supported"),
        (put("layer/3/type", np.array([b"input"])), "layer out: an input layer must be the first; drop it"),
        (put("layer/3/type", 3), "layer out: type must hold one word"),
        (
            put("layer/1/delay", np.array([0, 2, 0])),
            "layer first: delays of a conv are not supported; export it without",
        ),
        (
            put("layer/3/delay", np.array([0, 2])),
            r"layer out: delay of shape \(2,\) must be \(3,\), one per neuron, or",
        ),
        (put("layer/3/delay", np.array([0, 63, 0])), "layer out: delay 63 is outside 0..62"),
        (put("layer/3/delay", np.array([0, 0.5, 0])), "layer out: delay holds values that are not integers"),
        (
            put("layer/3/bias", np.array([0, 0.25, 0])),
            "layer out: bias holds values that are not integers, as 0.25; round it, as it is added to v times 64",
        ),
        (put("layer/1/neuron/refDelay", 2), "layer first: refDelay 2 is not supported; export it with refDelay 1"),
        (put("layer/1/neuron/gradedSpike", True), "layer first: gradedSpike 1 is not supported"),
        (
            put("layer/1/neuron/type", "SDNN"),
            "layer first: neuron type 'SDNN' is not supported; use one of CUBA, LOIHI",
        ),
        (
            put("layer/0/neuron/type", "SDNN"),
            "layer layer0: neuron type 'SDNN' is not supported; use one of CUBA, LOIHI",
        ),
        (put("layer/0/neuron/type", "CUBA"), "layer layer0: dataset 'iDecay' is missing"),
        (drop("layer/1/weight"), "layer first: dataset 'weight' is missing; export it again"),
        (drop("layer/1/stride"), "layer first: dataset 'stride' is missing"),
        (drop("layer/1/type"), "layer first: dataset 'type' is missing"),
        (drop("layer/1/neuron"), "layer first: no 'neuron' group"),
        (drop("layer/3/neuron/iDecay"), "layer out: dataset 'iDecay' is missing"),
        (drop("layer/0/shape"), "layer 0: dataset 'shape' is missing"),
        (drop("layer/0"), "layer 0: missing, though the file has 3 layers"),
        (drop("layer"), "no group 'layer', so it is not a lava-dl network"),
        (lambda file: file.move("layer/1/weight", "layer/1/weights/real"), "layer first: dataset 'weight' is missing"),
        (put("layer/1/weight", np.full((4, 1, 3, 2), 0.5)), "layer first: weight holds values that are not integers"),
        (put("layer/1/weight", np.full((4, 1, 3, 2), np.nan)), "layer first: weight holds values that are not"),
        (put("layer/1/weight", "heavy"), r"layer first: weight of dtype .* must hold numbers"),
        (put("layer/1/weight", np.ones((4, 6))), r"layer first: conv weight of shape \(4, 6\) must have 4 axes"),
        (put("layer/1/groups", [2, 2]), "layer first: groups has 2 values and must have one"),
        (put("layer/1/padding", [1, 1, 1]), "layer first: padding has 3 values and must have one or two"),
        (put("layer/1/bias", [1, 2]), r"layer first: bias of shape \(2,\) must be \(4,\)"),
        (put("layer/1/shape", [4, 2, 5]), r"layer first: shape \(4, 2, 5\) contradicts its geometry, \(4, 2, 4\)"),
        (put("layer/3/neuron/vDecay", 4097), "layer out: decay_v 4097 is outside 0..4096"),
        (
            put("layer/1/neuron/vThMant", 2**17),
            "layer first: only the last layer may be a readout; give it a threshold",
        ),
        (put("layer/1/neuron/vThMant", -1), "layer first: threshold -1 is outside 0..131071"),
        (
            put("layer/1/neuron/messageBits", 8),
            "layer first: messageBits 8 is not supported; export it with messageBits 0",
        ),
        (
            put("layer/1/neuron/weight_exp", 2),
            "layer first: weight_exp 2 is not supported; export it with weight_exp 0",
        ),
        (put("layer/1/neuron/wgtExp", 1), "layer first: wgtExp 1 is not supported; export it with wgtExp 0"),
        (put("layer/3/neuron/iDecay", [7, 8, 9]), "layer out: iDecay has 3 values and must have one"),
        (
            put("layer/3/weight", np.ones((3, 31))),
            r"layer out: dense takes \(31,\), its input is \(32,\); fix the weight",
        ),
        (put("layer/3/type", np.array([b"dense_rec"])), "layer out: type 'dense_rec' is not supported"),
        (
            put("layer/3/delay", np.ones((3, 32))),
            r"layer out: delay of shape \(3, 32\) must be \(3,\), one per neuron, or",
        ),
        (
            lambda file: (file.move("layer/3/weight", "real"), file.move("real", "layer/3/weight/real")),
            "layer out: complex weights are not supported; export it with real ones",
        ),
        (
            lambda file: file.attrs.update(steps=np.bytes_("many")),
            "layer input: attribute 'steps' is b?'many', not an? int",
        ),
        (
            lambda file: file["layer/1"].attrs.update(name=np.bytes_("\\x")),
            "layer layer1: attribute 'name' is not escaped",
        ),
    ],
)
def test_what_a_file_must_not_hold(edited, change, message):
    path = edited(change)
    with pytest.raises(GraphError, match=message) as caught:
        load_net(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_conv_without_an_input_layer_is_refused(tmp_path):
    save_net(tmp_path / "graph.net", GRAPH)
    with h5py.File(tmp_path / "graph.net", "r+") as file:
        for i in range(1, 4):
            file.move(f"layer/{i}", f"kept/{i - 1}")
        del file["layer"]
        file.move("kept", "layer")
    with pytest.raises(GraphError, match="layer 0: no input layer gives the input's shape"):
        load_net(tmp_path / "graph.net")


def test_paths_that_are_no_net_files(tmp_path):
    with pytest.raises(GraphError, match=r"nowhere\.net: is missing; give the path of a \.net file"):
        load_net(tmp_path / "nowhere.net")
    with pytest.raises(GraphError, match="is a folder"):
        load_net(tmp_path)
    (tmp_path / "text.net").write_text("not HDF5")
    with pytest.raises(GraphError, match=r"text\.net: is not a readable HDF5 file"):
        load_net(tmp_path / "text.net")
    whole = net_bytes(GRAPH)
    (tmp_path / "half.net").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(GraphError, match=r"half\.net: is not a readable HDF5 file"):
        load_net(tmp_path / "half.net")


def test_what_netx_cannot_express_is_refused():
    dense = Layer("dense", "dense", np.ones((6, 6), int), threshold=1)
    with pytest.raises(GraphError, match=r"layer flat: its input \(6,\) is flat already.*drop it"):
        net_bytes(SpikingGraph((dense, Layer("flat", "flatten"), replace(dense, name="last")), (6,), 1, 1))


@pytest.mark.parametrize(
    ("options", "neuron"),
    [
        ({"threshold": 1}, b"CUBA"),
        ({}, b"CUBA"),
        ({"threshold": 1, "reset": "subtract"}, b"CUBA_SUBTRACT"),
        ({"graded": True}, b"CUBA_READOUT"),
    ],
)
def test_neurons_that_netx_lacks_have_types_that_it_refuses(options, neuron, tmp_path):
    save_net(
        tmp_path / "graph.net", SpikingGraph((Layer("only", "dense", np.ones((1, 6), int), **options),), (6,), 1, 1)
    )
    with h5py.File(tmp_path / "graph.net", "r") as file:
        assert file["layer/1/neuron/type"][()] == neuron


def test_saving_is_all_or_nothing(tmp_path):
    path = tmp_path / "graph.net"
    path.write_text("older")
    save_net(path, GRAPH)
    assert load_net(path) == GRAPH
    assert os.listdir(tmp_path) == ["graph.net"]
    (tmp_path / "folder").mkdir()
    for place in (tmp_path / "nowhere" / "graph.net", tmp_path / "folder"):
        with pytest.raises(OutputError, match=r"cannot be written|is a folder"):
            save_net(place, GRAPH)
    assert sorted(os.listdir(tmp_path)) == ["folder", "graph.net"]


@pytest.mark.parametrize("way", ["link", "raw", "virtual"])
def test_data_in_another_file_are_refused(edited, tmp_path, way):
    with h5py.File(tmp_path / "secret.h5", "w") as secret:
        secret["weight"] = np.zeros((4, 1, 3, 2), int)
    (tmp_path / "secret.raw").write_bytes(bytes(4 * 24))

    def change(file: h5py.File) -> None:
        del file["layer/1/weight"]
        if way == "link":
            file["layer/1/weight"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "weight")
        elif way == "raw":
            where = [(str(tmp_path / "secret.raw"), 0, h5py.h5f.UNLIMITED)]
            file.create_dataset("layer/1/weight", (4, 1, 3, 2), np.int32, external=where)
        else:
            layout = h5py.VirtualLayout((4, 1, 3, 2), np.int64)
            layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "weight", (4, 1, 3, 2))
            file.create_virtual_dataset("layer/1/weight", layout)

    with pytest.raises(GraphError, match=r"layer/1/weight: .* another file"):
        load_net(edited(change))
