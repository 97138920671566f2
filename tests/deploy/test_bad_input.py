"""Bad input at the command line: one clear line on stderr, exit 1, no traceback, nothing half-written."""

import json
import os
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from command import Command, assert_one_line, hybridnet_apart


def write_video(path: Path, codec: str, frames: int, **options: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=24, options=options)
        stream.width = stream.height = 128
        stream.pix_fmt = "yuv420p"
        rng = np.random.default_rng(0)
        picture = rng.integers(0, 256, (128, 160, 3), dtype=np.uint8)
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:, i % 32 : i % 32 + 128]), "rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 24)
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode())
    return path


def missing(tmp: Path) -> tuple[Path, str]:
    return tmp / "none.avi", "none.avi"


def garbage(tmp: Path) -> tuple[Path, str]:
    (tmp / "noise.avi").write_bytes(np.random.default_rng(0).bytes(4000))
    return tmp / "noise.avi", "noise.avi"


def audio_only(tmp: Path) -> tuple[Path, str]:
    with av.open(str(tmp / "song.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return tmp / "song.wav", "video"


def too_short(tmp: Path) -> tuple[Path, str]:
    return write_video(tmp / "blink.avi", "mpeg4", 5, g="12", bf="0"), "12"


VIDEOS = [missing, garbage, audio_only, too_short]


@pytest.mark.parametrize("make", VIDEOS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("command", ["run", "energy", "simulate"])
def test_videos(
    hybridnet: Command, tiny_bundle: Path, tmp_path: Path, command: str, make: Callable[[Path], tuple[Path, str]]
) -> None:
    path, word = make(tmp_path)
    assert_one_line(hybridnet(command, tiny_bundle, path), path.name, word)


def test_folder_in_place_of_a_file(hybridnet: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    assert_one_line(hybridnet("simulate", tiny_bundle, tmp_path), str(tmp_path), "folder")


def test_simulate_leaves_no_half_trace(hybridnet: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    bad = write_video(tmp_path / "blink.avi", "mpeg4", 5, g="12", bf="0")
    assert_one_line(hybridnet("simulate", tiny_bundle, bad, "--trace", tmp_path / "out.npz"), "blink.avi")
    assert os.listdir(tmp_path) == ["blink.avi"]


def test_a_trace_replaces_nothing_but_a_file(hybridnet: Command, tiny_bundle: Path, clip: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = hybridnet("simulate", tiny_bundle, clip, "--trace", tmp_path / "pipe")
    assert_one_line(done, str(tmp_path / "pipe"), "is a FIFO, not a file")
    assert (tmp_path / "pipe").is_fifo()
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_folder_of_videos_goes_on_past_a_bad_one(
    hybridnet: Command, tiny_bundle: Path, clip: Path, tmp_path: Path
) -> None:
    shutil.copy(clip, tmp_path / "good.avi")
    (tmp_path / "bad.avi").write_bytes(b"no video")
    (tmp_path / "circle.avi").symlink_to("circle.avi")
    done = hybridnet("run", tiny_bundle, tmp_path, "--json")
    assert done.code == 1
    videos = json.loads(done.out)["videos"]
    assert [Path(video["video"]).name for video in videos] == ["bad.avi", "circle.avi", "good.avi"]
    assert "cannot be opened" in videos[0]["error"]
    assert "leads nowhere or in a circle" in videos[1]["error"]
    assert "label" in videos[2]


def test_what_is_no_video_file_in_a_folder_is_passed_over(
    hybridnet: Command, tiny_bundle: Path, clip: Path, tmp_path: Path
) -> None:
    shutil.copy(clip, tmp_path / "good.avi")
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "._good.avi").write_bytes(b"a twin that macOS left")
    done = hybridnet("run", tiny_bundle, tmp_path, "--json")
    assert [Path(video["video"]).name for video in json.loads(done.out)["videos"]] == ["good.avi"]


def test_name_that_is_no_text(clip: Path, tmp_path: Path) -> None:
    shutil.copy(clip, os.fsencode(tmp_path) + b"/\xff.avi")
    done = hybridnet_apart(
        "sys = __import__('sys'); sys.stdout.reconfigure(errors='strict')", "inspect", *tmp_path.iterdir()
    )
    assert (done.code, done.err) == (0, "")
    assert "\\udcff.avi: mpeg4, 128x128, 36 frames" in done.out


def remove_net(bundle: Path) -> str:
    (bundle / "motion.net").unlink()
    return "motion.net is missing"


def alter_onnx(bundle: Path) -> str:
    with (bundle / "conventional.onnx").open("r+b") as file:
        file.seek(1000)
        file.write(b"\0\1\2\3")
    return "conventional.onnx: altered"


def edit_manifest(bundle: Path, edit: Callable[[dict], None]) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    edit(manifest)
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def leave_the_folder(bundle: Path) -> str:
    edit_manifest(bundle, lambda m: m["files"].update({"../../secret": "0" * 64}))
    return "leaves the bundle"


def leave_by_stream(bundle: Path) -> str:
    edit_manifest(bundle, lambda m: m["ports"][0].update(stream="../motion"))
    return "is not motion or residual"


def wrong_schema(bundle: Path) -> str:
    edit_manifest(bundle, lambda m: m.update(schema=99))
    return "schema 99"


def no_json(bundle: Path) -> str:
    (bundle / "manifest.json").write_text("{")
    return "JSON"


def no_labels(bundle: Path) -> str:
    edit_manifest(bundle, lambda m: m.pop("labels"))
    return "labels"


def deep_json(bundle: Path) -> str:
    (bundle / "manifest.json").write_text("[" * 100_000)
    return "JSON"


def other_port(bundle: Path) -> str:
    edit_manifest(bundle, lambda m: m["ports"][0].update(name="elsewhere"))
    return "conventional.onnx: inputs"


def one_label_more(bundle: Path) -> str:
    edit_manifest(bundle, lambda m: m["labels"].append("sit"))
    return "are not logits of 16 labels"


def other_size(bundle: Path) -> str:
    edit_manifest(bundle, lambda m: m["preprocessing"].update(size=96))
    return "graph motion takes 11 steps"


def wrong_types(bundle: Path) -> str:
    edit_manifest(bundle, lambda m: m.update(partition=[{"part": 1, "side": [], "reason": None}]))
    return "partition.part is 1, it must be str"


def no_manifest(bundle: Path) -> str:
    (bundle / "manifest.json").unlink()
    return "not a bundle"


BUNDLES = [
    remove_net, alter_onnx, leave_the_folder, leave_by_stream, wrong_schema, no_json, deep_json, no_labels, no_manifest,
    other_port, one_label_more, other_size, wrong_types,
]  # fmt: skip


@pytest.mark.parametrize("spoil", BUNDLES, ids=lambda spoil: spoil.__name__)
def test_bundles(
    hybridnet: Command, tiny_bundle: Path, clip: Path, tmp_path: Path, spoil: Callable[[Path], str]
) -> None:
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))
    word = spoil(bundle)
    assert_one_line(hybridnet("run", bundle, clip), word)


def test_missing_bundle(hybridnet: Command, tmp_path: Path, clip: Path) -> None:
    assert_one_line(hybridnet("run", tmp_path / "nowhere", clip), "nowhere", "hybridnet export")


def other_shape(folder: Path) -> str:
    tensors = load_file(folder / "tiny.safetensors")
    name = next(name for name, tensor in tensors.items() if tensor.ndim == 4)
    tensors[name] = np.zeros((1, 2, 3, 4), np.float32)
    save_file(tensors, folder / "tiny.safetensors")
    return name


def no_tensors(folder: Path) -> str:
    (folder / "tiny.safetensors").write_bytes(b"garbage")
    return "tiny.safetensors"


def no_config(folder: Path) -> str:
    (folder / "tiny.json").unlink()
    return "tiny.json"


def no_checkpoint(folder: Path) -> str:
    (folder / "tiny.safetensors").unlink()
    return "tiny.safetensors"


@pytest.mark.parametrize("spoil", [other_shape, no_tensors, no_config, no_checkpoint], ids=lambda spoil: spoil.__name__)
def test_checkpoints(hybridnet: Command, tiny_checkpoint: Path, tmp_path: Path, spoil: Callable[[Path], str]) -> None:
    folder = Path(shutil.copytree(tiny_checkpoint.parent, tmp_path / "checkpoint"))
    word = spoil(folder)
    assert_one_line(hybridnet("export", folder / "tiny.safetensors", "-o", tmp_path / "out"), word)
    assert os.listdir(tmp_path) == ["checkpoint"]


def test_unknown_target(hybridnet: Command, tiny_checkpoint: Path, tmp_path: Path) -> None:
    done = hybridnet("export", tiny_checkpoint, "-o", tmp_path / "out", "--target", "loihi9")
    assert_one_line(done, "loihi9", "loihi2")
    assert os.listdir(tmp_path) == []


def test_unknown_backend(hybridnet: Command, tiny_bundle: Path, clip: Path) -> None:
    assert_one_line(hybridnet("run", tiny_bundle, clip, "--backend", "loihi9"), "loihi9", "integer")


def test_lava_not_installed(tiny_bundle: Path, clip: Path) -> None:
    block = (
        "import sys\nclass Block:\n def find_spec(self, name, path=None, target=None):\n"
        "  if name.split('.')[0] == 'lava': raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
    )
    assert_one_line(hybridnet_apart(block, "run", tiny_bundle, clip, "--backend", "lava"), "make lava")


def test_full_disk_while_exporting(tiny_checkpoint: Path, tmp_path: Path) -> None:
    # a file size limit stands in for the full disk: the same OSError out of the same write
    limit = (
        "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))\n"
    )
    done = hybridnet_apart(limit, "export", tiny_checkpoint, "-o", tmp_path / "out")
    assert_one_line(done, str(tmp_path / "out"), "nothing was kept")
    assert os.listdir(tmp_path) == []


def test_wrong_usage_is_exit_2(hybridnet: Command) -> None:
    assert hybridnet("export").code == 2
    assert hybridnet("no-such-command").code == 2
