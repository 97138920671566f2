"""The variants that a chip can run are exported, verified and run; the others say why not."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from deploy import export_bundle, open_bundle
from deploy.verify import verify_bundle
from hybridnet.errors import BundleError, TargetError
from hybridnet.model.checkpoint import load_checkpoint, save_checkpoint
from hybridnet.model.config import ModelConfig, preset
from hybridnet.model.network import HybridNet
from hybridnet.video import sample_clips

LABELS = ["jump", "kick", "wave"]


def config_of(**changes: object) -> ModelConfig:
    config = dataclasses.replace(preset("tiny", 3), size=32, short_side=64, dim=16, depth=1, stm_channels=4)
    return dataclasses.replace(config, **({"fold_channels": 8, "rrdb_channels": 8, "rrdb_growth": 2} | changes))


def saved(folder: Path, **changes: object) -> Path:
    torch.manual_seed(0)
    path = folder / "net.safetensors"
    save_checkpoint(path, HybridNet(config_of(**changes)), LABELS)
    return path


DEPLOYED = [
    ({"modalities": "iframe+motion"}, ["motion.net"], ["iframe", "motion_potential"]),
    ({"modalities": "motion+residual"}, ["motion.net", "residual.net"], ["motion_potential", "residual_potential"]),
    ({"modalities": "residual", "encoder": "unified"}, ["residual.net"], ["residual_potential"]),
    ({"stm": "common", "encoder": "separate"}, ["motion.net", "residual.net"], None),
    ({"stm": "fixed", "mixer": False, "subpel": "float"}, ["motion.net", "residual.net"], None),
    ({"order": "LS-T-GS", "encoder": "cross-attention"}, ["motion.net", "residual.net"], None),
    (
        {"skips": False, "rrdb": False, "pooling": "class-token", "accumulate": False},
        ["motion.net", "residual.net"],
        None,
    ),
]


@pytest.mark.parametrize(
    ("changes", "nets", "inputs"), DEPLOYED, ids=[",".join(map(str, v.values())) for v, _, _ in DEPLOYED]
)
def test_a_variant_is_deployed(
    changes: dict[str, object], nets: list[str], inputs: list[str] | None, tmp_path: Path, clip: Path
) -> None:
    """It verifies, and its prediction of a video is that of the torch model on the same clips."""
    checkpoint = saved(tmp_path, **changes)
    bundle = export_bundle(checkpoint, tmp_path / "net.bundle")
    checks = list(verify_bundle(bundle, backends=["integer"]))
    assert all(check.passed for check in checks), checks
    assert len(checks) == 3 + len(nets)  # hashes, processes and the conventional side besides
    assert sorted(path.name for path in bundle.glob("*.net")) == nets
    session = onnxruntime.InferenceSession(str(bundle / "conventional.onnx"))
    wanted_inputs = inputs or ["iframe", "motion_potential", "residual_potential"]
    assert [x.name for x in session.get_inputs()] == wanted_inputs

    model = load_checkpoint(checkpoint).model
    runtime = open_bundle(bundle)
    preprocessing = runtime.bundle.manifest.preprocessing
    assert (preprocessing.accumulate, preprocessing.subpel) == (model.config.accumulate, model.config.subpel)
    logits = []
    for one in sample_clips(clip, preprocessing):
        arrays = (one.iframe, one.motion, one.residual)
        with torch.no_grad():
            logits.append(model(*(torch.from_numpy(x.astype(np.float32))[None] for x in arrays))[0].numpy())
    found = runtime.predict(clip)
    wanted = np.mean(logits, axis=0)
    np.testing.assert_allclose(found.logits, wanted, atol=1e-4 * abs(wanted).max())
    parts = {name.removesuffix(".net") for name in nets} | {"conventional", "bridge", "chip"}
    assert {count.part for count in found.work.counts} == parts


def test_a_common_stm_is_two_graphs_of_the_same_weights(tmp_path: Path) -> None:
    bundle = open_bundle(export_bundle(saved(tmp_path, stm="common"), tmp_path / "net.bundle")).bundle
    motion, residual = bundle.graphs["motion"], bundle.graphs["residual"]
    np.testing.assert_array_equal(motion.layers[0].weight, residual.layers[0].weight[:, :2])
    for ours, others in zip(motion.layers[1:], residual.layers[1:], strict=True):
        np.testing.assert_array_equal(ours.weight, others.weight)
    assert [layer.decay_v for layer in motion.layers] == [layer.decay_v for layer in residual.layers]
    assert "one STM for all streams" in bundle.manifest.partition[0].reason


REFUSED = [
    ({"modalities": "iframe"}, "modalities 'iframe' cannot be exported: .*nothing runs on the chip; add motion"),
    ({"stm": "convlstm"}, "stm 'convlstm' cannot be exported: a ConvLSTM has no spikes, so nothing runs on the chip"),
    ({"stm": "none"}, "stm 'none' cannot be exported: without an STM there are no spikes"),
    ({"order": "LS-GS-T"}, "order 'LS-GS-T' cannot be exported: its STMs stand behind the transformer"),
    ({"order": "LS-T-GS", "size": 40}, "size 40 cannot be exported: .* whole patches"),
]


@pytest.mark.parametrize(("changes", "line"), REFUSED, ids=[",".join(map(str, v.values())) for v, _ in REFUSED])
def test_a_variant_without_spikes_to_run_says_why(changes: dict[str, object], line: str, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=line):
        export_bundle(saved(tmp_path, **changes), tmp_path / "net.bundle")
    assert not (tmp_path / "net.bundle").exists()


def test_a_manifest_that_lies_about_the_iframe_is_refused(tmp_path: Path, clip: Path) -> None:
    bundle = export_bundle(saved(tmp_path, modalities="motion"), tmp_path / "net.bundle")
    manifest = bundle / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(json.dumps(json.loads(text) | {"iframe": True}))
    with pytest.raises(BundleError, match=r"inputs .* are not the manifest's"):
        open_bundle(bundle).predict(clip)
    manifest.write_text(json.dumps(json.loads(text) | {"iframe": "no"}))
    with pytest.raises(BundleError, match="iframe is 'no', it must be true or false"):
        open_bundle(bundle)
