"""SANA-FE's network files: their text against a hand count, and `export --also sanafe`. `make sanafe` runs SANA-FE."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from command import Command
from deploy.bundle import read_bundle
from deploy.sanafe_net import behind_first, check_size, sanafe_network
from hybridnet.errors import GraphError
from hybridnet.model.checkpoint import save_checkpoint
from hybridnet.model.config import preset
from hybridnet.model.network import HybridNet
from hybridnet.spiking import Layer, SpikingGraph

CONV = Layer("conv", "conv", np.arange(1, 5).reshape(1, 1, 2, 2) * 2, decay_v=1024, threshold=7)
GRAPH = SpikingGraph(
    (CONV, Layer("flat", "flatten"), Layer("out", "dense", np.array([[2, 0], [4, 6]]))), (1, 2, 3), 1, 2
)
SPIKES = np.array([[[[1, 0, 0], [0, 1, 0]]], [[[0, 0, 1], [0, 0, 0]]]], bool)


def test_the_file_by_hand() -> None:
    """A 2x2 kernel on 2x3 inputs: outputs 0 and 1 read inputs (0, 1, 3, 4) and (1, 2, 4, 5), weights 2, 4, 6, 8."""
    text = sanafe_network("small", GRAPH, SPIKES)
    trains = re.findall(r"- (\d): \[spikes: (.*)\]", text)
    assert trains == [(str(i), str(train)) for i, train in enumerate([[1, 0], [0, 0], [0, 1], [0, 0], [1, 0], [0, 0]])]
    pairs = re.findall(r"source_target_pairs: (.*)", text)
    assert pairs[0] == "[[0, 0], [1, 0], [3, 0], [4, 0], [1, 1], [2, 1], [4, 1], [5, 1]]"
    assert pairs[1] == "[[0, 0], [1, 0], [0, 1], [1, 1]]"
    assert re.findall(r"weight: (.*)", text) == ["[2, 4, 6, 8, 2, 4, 6, 8]", "[2, 0, 4, 6]"]
    assert "threshold: 7.0, leak_decay: 0.75, reset: 0.0, reset_mode: hard" in text
    assert '  - input.5: [core: 0.0, soma: "loihi_inputs[5]"]' in text
    assert text.endswith("  - conv.0..1: [core: 0.1]\n  - out.0..1: [core: 0.2]\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reset": "subtract"}, "small/conv: has reset by subtraction"),
        ({"decay_u": 2048}, "small/conv: has a current that decays"),
        ({"bias": np.array([1])}, "small/conv: has a bias"),
    ],
)
def test_what_sanafe_does_not_have_is_refused(change: dict, message: str) -> None:
    graph = replace(GRAPH, layers=(replace(CONV, **change), *GRAPH.layers[1:]))
    with pytest.raises(GraphError, match=message):
        sanafe_network("small", graph, SPIKES)


def test_graded_input_is_refused_and_its_layer_can_be_left_out() -> None:
    graded = replace(GRAPH, input_bits=8)
    with pytest.raises(GraphError, match="small: input of 8 bits is graded"):
        sanafe_network("small", graded, SPIKES)
    rest = behind_first(graded)
    assert (rest.layers, rest.input_shape, rest.input_bits) == (GRAPH.layers[1:], (1, 1, 2), 1)
    with pytest.raises(GraphError, match="has no layer behind its graded input"):
        behind_first(SpikingGraph((CONV,), (1, 2, 3), 8, 2))


def test_too_large_a_network_is_refused() -> None:
    large = SpikingGraph((Layer("out", "dense", np.ones((601, 500), int)),), (500,), 1, 1)
    with pytest.raises(GraphError, match="small: 300,500 synapses are over the limit of 300,000"):
        check_size("small", large)


def test_export_writes_the_streams(hybridnet: Command, tmp_path: Path) -> None:
    torch.manual_seed(0)
    small = {"size": 32, "short_side": 32, "stm_channels": 2, "stm_stride": 4, "dim": 16, "depth": 1, "heads": 2}
    model = HybridNet(replace(preset("tiny", 2), **small, fold_channels=8, rrdb_channels=8, rrdb_growth=4))
    save_checkpoint(tmp_path / "small.safetensors", model, ["a", "b"], None)
    bundle = tmp_path / "small.bundle"
    code, _, err = hybridnet("export", tmp_path / "small.safetensors", "-o", bundle, "--also", "sanafe")
    assert code == 0, err
    files = read_bundle(bundle).manifest.files
    for stream in ("motion", "residual"):
        text = (bundle / f"{stream}.sanafe.yaml").read_text()
        assert f"{stream}.sanafe.yaml" in files
        assert "input -> conv2:" in text
        assert text.count("spikes: [") == 2 * 8 * 8


def test_export_of_what_is_too_large_is_one_line(hybridnet: Command, tiny_checkpoint: Path, tmp_path: Path) -> None:
    for words, reason in (
        ("sanafe", "motion: .* synapses are over the limit of 300,000"),
        ("spice", "--also spice: is no"),
    ):
        code, _, err = hybridnet("export", tiny_checkpoint, "-o", tmp_path / "out", "--also", words)
        assert code == 1
        assert len(err.splitlines()) == 1
        assert re.search(reason, err)
        assert not (tmp_path / "out").exists()
