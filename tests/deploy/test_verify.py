"""Verify finds what was changed, and where."""

import json
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import onnx
import pytest

from deploy.bundle import Golden, read_bundle
from deploy.files import ArrayArchive, sha256
from deploy.verify import first_difference, verify_bundle
from simulators import backends


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))


def rehash(bundle: Path, name: str) -> None:
    """Make the manifest agree with an altered file, so that only the replay can notice."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"][name] = sha256(bundle / name)
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def corrupt_weight(bundle: Path, stream: str, layer: int, index: tuple[int, ...]) -> None:
    with h5py.File(bundle / f"{stream}.net", "r+") as file:
        file[f"layer/{layer}/weight"][index] += 2


def test_a_fresh_bundle_passes_on_every_backend(tiny_bundle: Path) -> None:
    assert backends() == ("integer", "lava")
    checks = list(verify_bundle(tiny_bundle))
    assert [check.name for check in checks] == [
        "hashes", "processes", "motion on integer", "residual on integer", "motion on lava", "residual on lava",
        "conventional on onnxruntime",
    ]  # fmt: skip
    assert all(check.passed for check in checks), checks
    assert checks[1].detail == "the .net files need stock Lava alone"
    assert checks[4].detail.endswith("; Conv as matrix products")


def test_a_stock_bundle_passes_on_lava_s_own_models(tiny_bundle: Path) -> None:
    *_, motion, residual, _ = verify_bundle(tiny_bundle, backends=["lava-stock"])
    assert (motion.passed, residual.passed) == (True, True)
    assert motion.detail.endswith("; Lava's own models")


@pytest.mark.parametrize(("layer", "name"), [(1, "conv1"), (2, "conv2"), (3, "readout")])
def test_one_corrupt_weight_is_found(copy: Path, layer: int, name: str) -> None:
    corrupt_weight(copy, "motion", layer, (1, 0, 1, 1))
    checks = {check.name: check for check in verify_bundle(copy)}
    assert not checks["hashes"].passed
    assert "motion.net" in checks["hashes"].detail
    for backend in ("integer", "lava"):
        check = checks[f"motion on {backend}"]
        assert not check.passed
        assert re.search(rf"layer {name}, step \d+, neuron \(1, \d+, \d+\): .* -?\d+, golden -?\d+", check.detail)
        assert checks[f"residual on {backend}"].passed
    assert checks["motion on integer"].detail == checks["motion on lava"].detail


def test_corruption_under_a_forged_hash_is_found(copy: Path) -> None:
    corrupt_weight(copy, "residual", 1, (0, 2, 0, 0))
    rehash(copy, "residual.net")
    checks = {check.name: check for check in verify_bundle(copy, backends=["integer"])}
    assert checks["hashes"].passed
    assert "layer conv1, step 1," in checks["residual on integer"].detail


def test_a_changed_scale_is_found(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["ports"][0]["scale"] *= 1.001
    (copy / "manifest.json").write_text(json.dumps(manifest))
    failed = [check for check in verify_bundle(copy, backends=["integer"]) if not check.passed]
    assert [check.name for check in failed] == ["motion on integer"]
    assert "motion_potential" in failed[0].detail


def test_a_changed_onnx_weight_is_found(copy: Path) -> None:
    model = onnx.load(copy / "conventional.onnx")
    last = next(tensor for tensor in model.graph.initializer if tuple(tensor.dims)[:1] == (15,))
    array = onnx.numpy_helper.to_array(last).copy()
    array.flat[0] += 1
    last.CopyFrom(onnx.numpy_helper.from_array(array, last.name))
    onnx.save(model, copy / "conventional.onnx")
    rehash(copy, "conventional.onnx")
    failed = [check for check in verify_bundle(copy, backends=["integer"]) if not check.passed]
    assert [check.name for check in failed] == ["conventional on onnxruntime"]


def test_golden_potentials_wrap_nothing_and_every_layer_spikes(tiny_bundle: Path) -> None:
    """The witness is worth something only if it is lively: every spiking layer fires, the readouts move."""
    golden = Golden(tiny_bundle / "golden.npz")
    for stream, graph in read_bundle(tiny_bundle).graphs.items():
        for layer, _, shape, _ in graph.neuron_layers():
            assert golden[f"{stream}/{layer.name}/v"].shape == (11, *shape)
            assert golden[f"{stream}/{layer.name}/spikes"].any() == (layer.threshold is not None)
            assert np.abs(golden[f"{stream}/{layer.name}/v"]).max() > 0


def test_altered_golden_arrays_are_found(copy: Path) -> None:
    with np.load(copy / "golden.npz") as arrays:
        changed = {name: arrays[name] for name in arrays.files}
    changed["motion/readout/v"][4, 3, 2, 1] += 1
    with ArrayArchive(copy / "golden.npz") as archive:
        for name, array in changed.items():
            archive.add(name, array)
    rehash(copy, "golden.npz")
    (failed,) = [check for check in verify_bundle(copy, backends=["integer"]) if not check.passed]
    assert "layer readout, step 5, neuron (3, 2, 1)" in failed.detail


def test_first_difference_by_hand() -> None:
    a = np.zeros((3, 2, 2), np.int32)
    b = a.copy()
    b[1, 0, 1], b[2, 0, 0] = 5, 9
    assert first_difference(a, a) is None
    assert first_difference(a, b) == (2, (0, 1), (0, 5))
