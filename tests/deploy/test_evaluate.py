"""`hybridnet evaluate`: three forms of one checkpoint side by side, against what other commands find out."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from deploy import open_bundle
from deploy.bundle import read_bundle
from deploy.cli import app
from deploy.evaluate import Score
from deploy.export import export_bundle
from hybridnet.errors import BundleError, CheckpointError, DatasetError, PartialError, TargetError
from hybridnet.model.checkpoint import load_checkpoint, save_checkpoint
from hybridnet.model.config import preset
from hybridnet.model.network import HybridNet
from hybridnet.video import sample_clips

CLASSES = ("jump", "walk")
MEMORY = "horowitz-45nm+memory"  # prices everything that is counted but the steps


@pytest.fixture(scope="module")
def videos(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two classes, a clip each."""
    folder = tmp_path_factory.mktemp("evaluated")
    for name in CLASSES:
        (folder / name).mkdir()
        shutil.copy(clips / f"{name}.avi", folder / name)
    return folder


def run(*words: object) -> str:
    result = CliRunner().invoke(app, ["evaluate", *map(str, words)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


def test_three_forms(tiny_checkpoint: Path, tiny_bundle: Path, videos: Path, tmp_path: Path) -> None:
    """The bundle's column is what `predict` says of each video, the float model's what `HybridNet.run_real` does."""
    found = json.loads(
        run(tiny_checkpoint, videos, "--bundle", tiny_bundle, "-o", tmp_path / "out", "--json", "--target", MEMORY)
    )
    checkpoint = load_checkpoint(tiny_checkpoint)
    true = [checkpoint.labels.index(name) for name in CLASSES]
    bundle = open_bundle(tiny_bundle)
    predictions = [bundle.predict(videos / name / f"{name}.avi", regime=MEMORY) for name in CLASSES]
    floats = []
    for name in CLASSES:
        clips = list(sample_clips(videos / name / f"{name}.avi", bundle.bundle.manifest.preprocessing))
        stacked = (
            torch.from_numpy(np.stack(x)).float()
            for x in zip(*((c.iframe, c.motion, c.residual) for c in clips), strict=True)
        )
        with torch.no_grad():
            floats.append(checkpoint.model.run_real(*stacked)[0].mean(dim=0).numpy())
    expected = {
        "float": [int(logits.argmax()) for logits in floats],
        "bundle": [checkpoint.labels.index(prediction.labels[0]) for prediction in predictions],
    }
    expected["quantised"] = expected["bundle"]
    assert (found["videos"], found["trained"], found["regime"]) == (2, False, MEMORY)
    for form, best in expected.items():
        confusion = np.zeros((15, 15), int)
        for row, column in zip(true, best, strict=True):
            confusion[row, column] += 1
        assert found[form]["confusion"] == confusion.tolist()
        assert found[form]["top1"] == np.mean(np.array(best) == true)
        assert found[form]["agreement_with_float"] == np.mean(np.array(best) == expected["float"])
        with (tmp_path / "out" / f"confusion_{form}.csv").open() as file:
            header, *lines = csv.reader(file)
        assert header == ["true", *checkpoint.labels]
        assert [list(map(int, line[1:])) for line in lines] == confusion.tolist()
    for form in ("quantised", "bundle"):
        assert found[form]["energy"] == pytest.approx(np.mean([p.energy.total for p in predictions]))
        assert found[form]["spike_rate"] == pytest.approx(np.mean([p.work.spike_rate for p in predictions]))
    assert found["quantised"]["synops"] == found["bundle"]["synops"]
    assert found["float"]["synops"] == pytest.approx(found["bundle"]["synops"], rel=0.05)
    assert found["float"]["synops"] != found["bundle"]["synops"]
    assert (tmp_path / "out" / "confusion.png").read_bytes().startswith(b"\x89PNG")


def small(folder: Path, **changes: object) -> Path:
    """The checkpoint of a variant that runs in no time, with the labels of the two classes."""
    config = replace(preset("tiny", 2), size=32, short_side=32, dim=16, depth=1, stm_channels=4)
    config = replace(config, fold_channels=8, rrdb_channels=8, rrdb_growth=2, **changes)
    torch.manual_seed(0)
    save_checkpoint(folder / "small.safetensors", HybridNet(config), CLASSES)
    return folder / "small.safetensors"


NOT_DEPLOYED = [
    ({"modalities": "iframe"}, ["float"], "an I-frame passes no STM"),
    ({"stm": "none"}, ["float"], "without an STM there are no spikes"),
    ({"stm": "convlstm"}, ["float"], "a ConvLSTM has no spikes"),
    ({"order": "LS-GS-T"}, ["float", "quantised"], "its STMs stand behind the transformer"),
]


@pytest.mark.parametrize(("changes", "forms", "why"), NOT_DEPLOYED, ids=lambda x: str(x))
def test_a_model_that_no_chip_runs(
    changes: dict[str, object], forms: list[str], why: str, videos: Path, tmp_path: Path
) -> None:
    """Its forms are what its own forward passes say, counted here spike by spike, and a line says what is not there."""
    checkpoint = small(tmp_path, **changes)
    found = json.loads(run(checkpoint, videos, "--json"))
    assert [form for form in ("float", "quantised", "bundle") if form in found] == forms
    assert why in found["no_bundle"]
    model = load_checkpoint(checkpoint).model
    for form in forms:
        best, synops, rates = [], [], []
        for name in CLASSES:
            clips = list(sample_clips(videos / name / f"{name}.avi", model.config.preprocessing()))
            arrays = ((clip.iframe, clip.motion, clip.residual) for clip in clips)
            stacked = [torch.from_numpy(np.stack(x)).float() for x in zip(*arrays, strict=True)]
            with torch.no_grad():
                logits, spikes = (model.run_real if form == "float" else model.run)(*stacked)
            best.append(int(logits.mean(dim=0).argmax()))
            layers = [layer.numpy() for layers in spikes.values() for layer in layers]
            rates.append(sum(layer.sum() for layer in layers) / max(1, sum(layer.size for layer in layers)))
            synops.append(sum((layer * reached(*layer.shape[2:])).sum() for layer in layers))
        assert found[form]["top1"] == np.mean(np.array(best) == [0, 1])
        assert found[form]["energy"] is None
        if forms == ["float"]:
            assert found[form]["synops"] is found[form]["spike_rate"] is None
        else:
            assert min(rates) > 0
            assert found[form]["spike_rate"] == pytest.approx(np.mean(rates))
            assert found[form]["synops"] == pytest.approx(np.mean(synops))


def reached(channels: int, height: int, width: int) -> np.ndarray:
    """Synapses that a spike at each place (h,w) of a padded 3x3 convolution to so many channels reaches."""
    rows, columns = ([min(n, k + 2) - max(0, k - 1) for k in range(n)] for n in (height, width))
    return channels * np.outer(rows, columns)


def test_what_has_no_bundle_says_so_and_takes_none(videos: Path, tmp_path: Path) -> None:
    checkpoint = small(tmp_path, stm="none")
    shown = run(checkpoint, videos, "-o", tmp_path / "out")
    (line,) = [line for line in shown.splitlines() if line.startswith("no bundle")]
    assert line.startswith("no bundle stands beside, nor a quantised form, nor energy, which is counted on one: model ")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["confusion.png", "confusion_float.csv"]
    with pytest.raises(TargetError, match="stm 'none' cannot be exported"):
        run(checkpoint, videos, "--bundle", tmp_path)


def test_a_folder_with_lists_is_measured_as_a_whole_and_says_so(videos: Path, tmp_path: Path) -> None:
    shutil.copytree(videos, tmp_path / "clips")
    (tmp_path / "clips" / "testlist01.txt").touch()
    result = CliRunner().invoke(app, ["evaluate", str(small(tmp_path, stm="none")), str(tmp_path / "clips")])
    assert f"{tmp_path / 'clips'}: its lists are not looked at, training clips are measured too" in result.stderr


def test_reset_by_subtraction_is_exported_to_its_own_target(videos: Path, tmp_path: Path) -> None:
    found = json.loads(run(small(tmp_path, reset="subtract"), videos, "--json"))
    assert found["no_bundle"] is None
    assert found["bundle"]["synops"] == found["quantised"]["synops"] > 0


def test_as_a_table_with_a_bundle_of_its_own(tiny_checkpoint: Path, videos: Path, tmp_path: Path) -> None:
    (tmp_path / "train.toml").write_text(
        f'[data]\nname = "two clips"\nlayout = "folder"\nroot = "{videos}"\ncache = "none"\ntest = "all"\n'
        '[run]\nout = "none"\nepochs = 1\n'
    )
    shown = run(tiny_checkpoint, tmp_path / "train.toml", "--target", "loihi1")
    assert "energy a video, loihi1" in shown
    assert "energy without messages and hops, each membrane update as an active one's" in shown
    assert "two clips (all), 2 videos" in shown
    assert "same label as float" in shown
    assert "untrained" in shown
    assert not (tmp_path / "none").exists()


def test_what_is_refused(tiny_checkpoint: Path, tiny_bundle: Path, videos: Path, tmp_path: Path) -> None:
    (tmp_path / "swim").mkdir()
    shutil.copy(videos / "walk" / "walk.avi", tmp_path / "swim")
    (tmp_path / "dive").mkdir()
    shutil.copy(videos / "walk" / "walk.avi", tmp_path / "dive")
    with pytest.raises(DatasetError, match="not among the checkpoint's 15 labels: dive, swim; evaluate it on"):
        run(tiny_checkpoint, tmp_path, "--bundle", tiny_bundle)
    shutil.rmtree(tmp_path / "dive")
    with pytest.raises(DatasetError, match="its splits are all; for splits of its own a folder holds SPLIT/CLASS"):
        run(tiny_checkpoint, videos, "--split", "val")
    checkpoint = load_checkpoint(tiny_checkpoint)
    other = tmp_path / "other.safetensors"
    save_checkpoint(other, checkpoint.model, [f"{label}?" for label in checkpoint.labels])
    (tmp_path / "swim").rename(tmp_path / "walk?")
    with pytest.raises(BundleError, match=r"tiny.bundle: is of another model than the checkpoint \(labels"):
        run(other, tmp_path, "--bundle", tiny_bundle)


@pytest.mark.parametrize(
    ("part", "tensor"),
    [
        ("the spiking integers differ", "motion.layers.1.weight"),
        ("the conventional part gives other logits", "conventional.head.bias"),
    ],
)
def test_a_bundle_of_other_weights_is_refused(
    part: str, tensor: str, tiny_checkpoint: Path, tiny_bundle: Path, videos: Path, tmp_path: Path
) -> None:
    checkpoint = load_checkpoint(tiny_checkpoint)
    with torch.no_grad():
        checkpoint.model.state_dict()[tensor].mul_(-2).add_(1)
    other = tmp_path / "other.safetensors"
    save_checkpoint(other, checkpoint.model, checkpoint.labels)
    with pytest.raises(BundleError, match=f"tiny.bundle: is of another model than the checkpoint \\({part}"):
        run(other, videos, "--bundle", tiny_bundle)


def test_a_bundle_of_other_strides_is_refused(tiny_bundle: Path, videos: Path, tmp_path: Path) -> None:
    manifest = read_bundle(tiny_bundle).manifest
    torch.manual_seed(0)
    model = HybridNet(replace(preset("tiny", classes=len(manifest.labels)), stm_stride=4))
    save_checkpoint(tmp_path / "other.safetensors", model, manifest.labels)
    with pytest.raises(BundleError, match="the spiking integers differ"):
        run(tmp_path / "other.safetensors", videos, "--bundle", tiny_bundle)


def test_a_training_of_fewer_clips_a_video_is_deployed_so(tiny_checkpoint: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(tiny_checkpoint)
    path = tmp_path / "three.safetensors"
    save_checkpoint(path, checkpoint.model, checkpoint.labels, {"config": {"data": {"triplets": 3}}})
    assert load_checkpoint(path).preprocessing.triplets == 3
    export_bundle(path, tmp_path / "three.bundle")
    assert read_bundle(tmp_path / "three.bundle").manifest.preprocessing.triplets == 3
    save_checkpoint(path, checkpoint.model, checkpoint.labels, {"config": {"data": {"triplets": 0}}})
    with pytest.raises(CheckpointError, match=r"three.json: training.config.data: preprocessing: triplets 0 must be"):
        load_checkpoint(path)


def test_a_bad_video_is_named_and_the_others_count(
    tiny_checkpoint: Path, tiny_bundle: Path, videos: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(videos, tmp_path / "videos")
    (folder / "walk" / "bad.avi").write_bytes(b"no video")
    result = CliRunner().invoke(
        app, ["evaluate", str(tiny_checkpoint), str(folder), "--bundle", str(tiny_bundle), "--json"]
    )
    assert isinstance(result.exception, PartialError)
    assert str(result.exception).startswith("1 of 3 videos failed")
    assert json.loads(result.stdout)["videos"] == 2
    assert "bad.avi" in result.stderr


def test_scores_by_hand() -> None:
    logits = np.array([[3, 2, 1], [1, 3, 2], [1, 2, 3], [3, 1, 2]], np.float32)
    score = Score(logits, np.array([0, 0, 2, 2]), 0, 0, 0)
    assert score.best.tolist() == [0, 1, 2, 0]
    assert [score.top(k) for k in (1, 2, 3)] == [0.5, 0.75, 1.0]
    assert score.confusion.tolist() == [[1, 1, 0], [0, 0, 0], [1, 0, 1]]
    assert score.per_class[[0, 2]].tolist() == [0.5, 0.5]
    assert np.isnan(score.per_class[1])


def test_a_trained_checkpoint_exports_with_its_facts(tiny_checkpoint: Path, tmp_path: Path) -> None:
    config = replace(load_checkpoint(tiny_checkpoint).model.config, size=32, short_side=32, depth=1)
    facts = {"data": "rendered mocap", "epochs": 3, "seed": 0, "top1": 0.5}
    save_checkpoint(tmp_path / "trained.safetensors", HybridNet(config), [str(n) for n in range(15)], facts)
    bundle = open_bundle(export_bundle(tmp_path / "trained.safetensors", tmp_path / "bundle")).bundle
    assert bundle.manifest.training == facts
