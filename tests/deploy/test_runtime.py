"""Hybrid inference: the deployed logits are the torch model's."""

from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from deploy import open_bundle
from deploy.bundle import read_bundle
from deploy.runtime import Prediction
from hardware.operations import ON_CHIP
from hybridnet.errors import BackendError, VideoError
from hybridnet.model.checkpoint import load_checkpoint
from hybridnet.video import sample_clips
from packets import remux


def torch_logits(checkpoint: Path, video: Path, preprocessing) -> np.ndarray:
    """The torch model end to end, clip by clip, averaged."""
    model = load_checkpoint(checkpoint).model.eval()
    logits = []
    for clip in sample_clips(video, preprocessing):
        tensors = [torch.from_numpy(np.asarray(x, np.float32))[None] for x in (clip.iframe, clip.motion, clip.residual)]
        with torch.no_grad():
            logits.append(model(*tensors)[0].numpy())
    return np.mean(logits, axis=0)


@pytest.mark.parametrize("name", ["walk.avi", "backflip.avi"])
def test_deployed_logits_equal_torchs(tiny_checkpoint: Path, tiny_bundle: Path, clips: Path, name: str) -> None:
    prediction = open_bundle(tiny_bundle).predict(clips / name)
    wanted = torch_logits(tiny_checkpoint, clips / name, read_bundle(tiny_bundle).manifest.preprocessing)
    assert np.abs(prediction.logits - wanted).max() <= 1e-4 * np.abs(wanted).max()


def totals(prediction: Prediction, operation: str) -> dict[tuple[str, str], int]:
    """How often each layer did an operation, of whatever kind."""
    found: Counter[tuple[str, str]] = Counter()
    for count in prediction.work.counts:
        if count.operation == operation:
            found[count.part, count.layer] += count.count
    return found


def test_lava_and_integer_predict_the_same(tiny_bundle: Path, clip: Path) -> None:
    integer = open_bundle(tiny_bundle).predict(clip)
    lava = open_bundle(tiny_bundle, backend="lava").predict(clip)
    np.testing.assert_array_equal(integer.logits, lava.logits)
    assert integer.work.rates == lava.work.rates
    for operation in ("mac", "synaptic_operation", "membrane_update", "spike", *ON_CHIP):
        assert totals(integer, operation) == totals(lava, operation)


def test_prediction_is_whole(tiny_bundle: Path, clip: Path) -> None:
    prediction = open_bundle(tiny_bundle).predict(clip)
    assert prediction.clips == 3  # 36 frames, 3 GOPs of 12, each once
    assert sorted(prediction.labels) == sorted(read_bundle(tiny_bundle).manifest.labels)
    assert list(prediction.scores) == sorted(prediction.scores, reverse=True)
    assert prediction.scores.sum() == pytest.approx(1, abs=1e-5)
    assert set(prediction.timings) == {"ingest", "spiking", "bridge", "conventional", "total"}
    assert prediction.energy.total > 0


def test_counts_are_the_spikes_counted_apart(tiny_bundle: Path, clip: Path) -> None:
    """Synaptic operations of conv2 from its input spikes, counted by a convolution of ones."""
    runtime = open_bundle(tiny_bundle)
    wanted = 0
    with runtime.simulator(record=("spikes",)) as simulate:
        for clip_ in sample_clips(clip, runtime.bundle.manifest.preprocessing):
            trace = simulate(clip_)["motion"]
            layer = runtime.bundle.graphs["motion"].layers[1]
            spikes = torch.from_numpy(trace.spikes["conv1"].astype(np.float64))
            ones = torch.ones(layer.weight.shape, dtype=torch.float64)
            wanted += int(torch.conv2d(spikes, ones, stride=layer.stride, padding=layer.padding).sum())
    counts = runtime.predict(clip).work.counts
    found = [c.count for c in counts if (c.part, c.layer, c.operation) == ("motion", "conv2", "synaptic_operation")]
    assert found == [wanted]


def test_dense_baseline_by_hand(tiny_bundle: Path, clip: Path) -> None:
    runtime = open_bundle(tiny_bundle)
    dense = runtime.predict(clip).work.dense
    layer = runtime.bundle.graphs["residual"].layers[0]
    shape = runtime.bundle.graphs["residual"].shapes[0]
    wanted = int(np.prod(shape)) * layer.weight[0].size * 11 * 3  # outputs x kernel x steps x clips
    macs = [c for c in dense if (c.part, c.layer) == ("residual", layer.name) and c.operation.startswith("mac")]
    assert [c.count for c in macs] == [wanted]


def test_unknown_backend_is_named(tiny_bundle: Path) -> None:
    with pytest.raises(BackendError, match=r"loihi9.*integer"):
        open_bundle(tiny_bundle, backend="loihi9")


def test_missing_video_is_named(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"none\.avi"):
        open_bundle(tiny_bundle).predict(tmp_path / "none.avi")


def test_damage_is_told(tiny_bundle: Path, clip: Path, tmp_path: Path) -> None:
    with av.open(str(clip)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][15]
        start, size = packet.pos, packet.size
    data = bytearray(clip.read_bytes())
    data[start + size // 3 : start + size - 8] = bytes(size - 8 - size // 3)
    path = tmp_path / "damaged.avi"
    path.write_bytes(data)
    told: list[str] = []
    prediction = open_bundle(tiny_bundle).predict(path, tell=told.append)
    assert told == [f"{path}: damaged in GOP 1; used as far as it decodes"]
    assert prediction.clips == 3


@pytest.mark.parametrize("name", ["late.avi", "late.mp4"])
def test_frames_before_the_first_key_frame_are_told(name: str, tiny_bundle: Path, clip: Path, tmp_path: Path) -> None:
    path, told = remux(clip, tmp_path / name, first=5), list[str]()
    prediction = open_bundle(tiny_bundle).predict(path, tell=told.append)
    assert told == [f"{path}: damaged (7 frames before the first key frame lost); used as far as it decodes"]
    assert prediction.clips == 2


def test_a_file_that_breaks_off_is_told(tiny_bundle: Path, clip: Path, tmp_path: Path) -> None:
    with av.open(str(clip)) as container:
        ends = [packet.pos + packet.size + packet.size % 2 for packet in container.demux(video=0) if packet.size]
    path = tmp_path / "cut.avi"
    for packets, words in ((36, "damaged in GOP 2 (the file"), (30, "damaged (the file")):
        path.write_bytes(clip.read_bytes()[: ends[packets - 1]])
        told: list[str] = []
        prediction = open_bundle(tiny_bundle).predict(path, tell=told.append)
        assert told == [f"{path}: {words} breaks off); used as far as it decodes"]
        assert prediction.clips == packets // 12
