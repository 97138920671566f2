"""Export: what is written is what the model is."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from deploy import export_bundle
from deploy.bundle import read_bundle
from deploy.onnx_graph import size_nodes
from deploy.verify import verify_bundle
from hybridnet.errors import BundleError, OutputError, TargetError
from hybridnet.model.checkpoint import load_checkpoint, save_checkpoint
from hybridnet.model.config import preset
from hybridnet.model.network import HybridNet


def test_bundle_holds_what_the_design_says(tiny_bundle: Path) -> None:
    names = {path.name for path in tiny_bundle.iterdir()}
    assert names == {"manifest.json", "motion.net", "residual.net", "conventional.onnx", "golden.npz"}
    manifest = json.loads((tiny_bundle / "manifest.json").read_text())
    assert set(manifest["files"]) == names - {"manifest.json"}
    assert manifest["training"] is None
    assert {label["side"] for label in manifest["partition"]} == {"spiking", "conventional"}


def test_graphs_are_the_models_numbers_rounded(tiny_checkpoint: Path, tiny_bundle: Path) -> None:
    """Every integer is within its rounding of the real parameter, one unit of weight being worth the layer's scale."""
    model = load_checkpoint(tiny_checkpoint).model
    for stream, graph in read_bundle(tiny_bundle).graphs.items():
        limit = 127  # int8 input worth -1..1, then spikes worth 1
        for module, layer in zip(getattr(model, stream).layers, graph.layers, strict=True):
            weight = module.weight.detach().numpy() / (layer.scale * limit)
            assert (layer.weight % 2 == 0).all()
            assert np.abs(layer.weight - weight).max() <= 1 + 1e-6
            assert abs(layer.decay_v / 4096 - (1 - module.leak_logit.sigmoid().item())) <= 0.5001 / 4096
            if layer.threshold is not None:
                assert abs(layer.threshold - module.threshold.item() / layer.scale) <= 0.5001
            assert np.abs(layer.weight).sum(axis=(1, 2, 3)).max() * limit < 2**17
            limit = 1


def test_onnx_inputs_and_dynamic_batch(tiny_bundle: Path) -> None:
    session = onnxruntime.InferenceSession(str(tiny_bundle / "conventional.onnx"))
    assert [x.name for x in session.get_inputs()] == ["iframe", "motion_potential", "residual_potential"]
    for batch in (1, 2, 5):
        feed = {x.name: np.ones((batch, *x.shape[1:]), np.float32) for x in session.get_inputs()}
        assert session.run(["logits"], feed)[0].shape == (batch, 15)


def test_onnx_names_no_machine(tiny_bundle: Path) -> None:
    data = (tiny_bundle / "conventional.onnx").read_bytes()
    assert b"site-packages" not in data
    assert str(Path(__file__).parents[2]).encode() not in data


def test_macs_by_hand() -> None:
    """Conv with groups and stride, Gemm with a transposed weight, MatMul of two activations."""
    f32 = onnx.TensorProto.FLOAT
    value = onnx.helper.make_tensor_value_info
    weights = [
        onnx.numpy_helper.from_array(np.zeros((6, 2, 3, 3), np.float32), "w"),
        onnx.numpy_helper.from_array(np.zeros((7, 6), np.float32), "g"),
    ]
    nodes = [
        onnx.helper.make_node("Conv", ["x", "w"], ["y"], "conv", group=2, strides=[2, 2], pads=[1, 1, 1, 1]),
        onnx.helper.make_node("Flatten", ["y"], ["f"], "flat", axis=2),
        onnx.helper.make_node("GlobalAveragePool", ["y"], ["p"], "pool"),
        onnx.helper.make_node("Flatten", ["p"], ["q"], "flat2"),
        onnx.helper.make_node("Gemm", ["q", "g"], ["z"], "gemm", transB=1),
        onnx.helper.make_node("Transpose", ["f"], ["t"], "turn", perm=[1, 0]),
        onnx.helper.make_node("MatMul", ["f", "t"], ["m"], "matmul"),
    ]
    graph = onnx.helper.make_graph(
        nodes, "g", [value("x", f32, ["batch", 4, 8, 10])], [value("z", f32, None), value("m", f32, None)], weights
    )
    data = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)]).SerializeToString()
    # conv: 6 x 4 x 5 outputs of 2 x 9 products; gemm: 7 x 6; matmul: (6,20) x (20,6)
    assert {name: node.macs for name, node in size_nodes(data).items()} == {
        "conv": 120 * 18,
        "gemm": 42,
        "matmul": 36 * 20,
    }


def test_macs_of_tiny_equal_torchs_flop_counter(tiny_checkpoint: Path, tiny_bundle: Path) -> None:
    bundle = read_bundle(tiny_bundle)
    size = bundle.manifest.preprocessing.size
    inputs = [torch.rand(1, 3, size, size), *(torch.rand(1, *port.shape) for port in bundle.manifest.ports)]
    model = load_checkpoint(tiny_checkpoint).model.eval()
    # the counter knows attention's products only in the unfused kernel
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        model.conventional(*inputs)
    assert sum(node.macs for node in bundle.manifest.nodes.values()) == counter.get_total_flops() // 2


def test_two_exports_are_the_same_bytes(tiny_checkpoint: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    again = export_bundle(tiny_checkpoint, tmp_path / "again")
    for path in tiny_bundle.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name


def test_what_the_target_cannot_hold_is_refused(tmp_path: Path, tiny_checkpoint: Path) -> None:
    """A reset by subtraction is no stock LIF: the line names layer, value, and remedy, and nothing is written."""
    import dataclasses

    config = dataclasses.replace(preset("tiny", 2), reset="subtract")
    save_checkpoint(tmp_path / "soft.safetensors", HybridNet(config), ["a", "b"], None)
    with pytest.raises(TargetError, match=r"conv1.*subtract.*zero"):
        export_bundle(tmp_path / "soft.safetensors", tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"soft.safetensors", "soft.json"}


def test_both_resets_are_exported_to_a_target_with_neurons_of_our_own(tmp_path: Path) -> None:
    """The bundle says what it needs, and runs as torch says, which made its golden arrays, on every backend."""
    import dataclasses

    torch.manual_seed(0)
    config = dataclasses.replace(preset("tiny", 2), reset="subtract")
    save_checkpoint(tmp_path / "soft.safetensors", HybridNet(config), ["a", "b"], None)
    folder = export_bundle(tmp_path / "soft.safetensors", tmp_path / "out", target="loihi2-custom")
    bundle = read_bundle(folder)
    assert bundle.manifest.processes == ("PotentialReadout", "SubtractLIF")
    assert [layer.reset for layer in bundle.graphs["motion"].layers] == ["subtract", "subtract", "zero"]
    checks = {check.name: check for check in verify_bundle(folder)}
    assert all(check.passed for check in checks.values()), checks
    assert "motion on lava" in checks
    needed = "PotentialReadout and SubtractLIF of simulators.lava_processes"
    assert checks["processes"].detail == f"the .net files need {needed}"

    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"processes": []}))
    with pytest.raises(BundleError, match=f"says that its graphs need stock Lava alone, but they need {needed}"):
        read_bundle(folder)


def test_a_price_list_is_no_target(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="paper-45nm"):
        export_bundle(tiny_checkpoint, tmp_path / "out", target="paper-45nm")


def test_a_foreign_folder_is_not_overwritten(tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match="not a bundle"):
        export_bundle(tiny_checkpoint, tmp_path)
    assert (tmp_path / "thesis.tex").exists()
