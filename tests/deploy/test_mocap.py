"""`hybridnet prepare rendered-mocap`: pybullet draws for real; shipped clips come out again byte for byte."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from command import Command
from hybridnet.training import read_ucf101

pytest.importorskip("pybullet_data", reason="needs hybridnet[mocap]")
SMALL = ("--train", 1, "--test", 5)  # test clip 4 of every class is shipped


def start(folder: Path, *options: object) -> subprocess.Popen[str]:
    """The command in a process group of its own."""
    code = "from deploy.cli import main; import sys; sys.argv[0] = 'hybridnet'; main()"
    command = [sys.executable, "-c", code, "prepare", "rendered-mocap", "-o", folder, *SMALL, *options]
    return subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def wait_for_clips(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 120
    while len(list(folder.rglob("[a-z]*.avi"))) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A small set, made by three runs: one killed, one stopped by Ctrl-C, one that ends; and what the last printed."""
    folder = tmp_path_factory.mktemp("mocap") / "set"
    killed = start(folder)
    wait_for_clips(folder, 2)
    killed.kill()
    killed.communicate()
    assert not (folder / "testlist01.txt").exists()
    stopped = start(folder)
    wait_for_clips(folder, 12)
    os.killpg(stopped.pid, signal.SIGINT)
    out, err = stopped.communicate(timeout=60)
    assert (stopped.returncode, out, len(err.splitlines())) == (130, "", 1)
    assert "they are kept, and the same command goes on" in err
    assert not (folder / "testlist01.txt").exists()
    last = start(folder, "--json")
    out, err = last.communicate(timeout=300)
    assert last.returncode == 0, err
    return folder, out


def test_shipped_clips_are_test_clip_4_of_every_class(made: tuple[Path, str], clips: Path) -> None:
    shipped = sorted(clips.glob("*.avi"))
    assert len(shipped) == 15
    for clip in shipped:
        assert (made[0] / clip.stem / f"{clip.stem}_test_004.avi").read_bytes() == clip.read_bytes()
    index, whole = (json.loads((folder / "clips.json").read_text()) for folder in (clips, made[0]))
    assert index["command"] == whole["command"]
    for name, recipe in index["clips"].items():
        assert whole["clips"][f"{name[:-4]}/{name[:-4]}_test_004.avi"] == recipe


def test_reads_as_ucf101_and_holds_nothing_else(made: tuple[Path, str]) -> None:
    folder, out = made
    read = read_ucf101(folder, split=1, check=True)
    assert (len(read.labels), len(read.items)) == (15, 90)
    assert not read.report.missing + read.report.unlisted + read.report.unreadable
    for label in read.labels:
        splits = [item.split for item in read.items if read.labels[item.label] == label]
        assert splits.count("train") == 1
        assert splits.count("test") == 5
    names = {path.name for path in folder.iterdir()} - set(read.labels)
    assert names == {".lock", "clips.json", "classInd.txt", "trainlist01.txt", "testlist01.txt"}
    shown = json.loads(out)
    assert (shown["classes"], shown["train"], shown["test"]) == (15, 1, 5)
    assert shown["done"] + shown["already_there"] == 90
    assert shown["already_there"] >= 12
    order = [f"{c}/{c}_{s}_{n:03d}.avi" for c in read.labels for s, count in (("train", 1), ("test", 5)) for n in range(count)]  # fmt: skip # noqa: E501
    assert shown["sha256"] == hashlib.sha256(b"".join((folder / name).read_bytes() for name in order)).hexdigest()


def test_done_already(made: tuple[Path, str], hybridnet: Command) -> None:
    code, out, err = hybridnet("prepare", "rendered-mocap", "-o", made[0], *SMALL)
    assert (code, err, len(out.splitlines())) == (0, "", 1)
    assert "0 clips made, 90 already there; 15 classes, 1 training and 5 test clips each; SHA-256" in out


def refused(done: tuple[int, str, str], *words: str) -> None:
    code, out, err = done
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    for word in words:
        assert word in err


def test_refuses_in_one_line(hybridnet: Command, tmp_path: Path, clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("prepare", "rendered-mocap", "-o", tmp_path / "new")
    refused(hybridnet(*command, "--width", 64), "is 128x128 with GOPs of 12, always")
    refused(hybridnet("prepare", clips, "-o", tmp_path / "new", "--train", 3), "belong to rendered-mocap")
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    refused(hybridnet(*command[:3], other), "is not empty and holds no clips.json")
    (other / "clips.json").write_text('{"made_with": {"pybullet": "3.0"}}')
    refused(hybridnet(*command[:3], other), "was made with {'pybullet': '3.0'}")
    (other / "clips.json").write_text("[]")
    refused(hybridnet(*command[:3], other), "is no index of rendered-mocap")
    refused(hybridnet(*command[:3], other / "mine.txt"), "mine.txt")
    assert sorted(path.name for path in other.iterdir()) == ["clips.json", "mine.txt"]
    monkeypatch.setattr("hybridnet.training.mocap.dataset.PACKAGES", ("no-such-package",))
    refused(hybridnet(*command), "no-such-package", "pip install 'hybridnet[mocap]'")
    assert not (tmp_path / "new").exists()
    assert hybridnet(*command, "--train", 0)[0] == 2


def test_a_folder_of_that_name_is_a_folder(
    hybridnet: Command, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rendered-mocap").mkdir()
    (tmp_path / "rendered-mocap" / "a.avi").write_bytes(clip.read_bytes())
    monkeypatch.chdir(tmp_path)
    code, out, err = hybridnet("prepare", "rendered-mocap", "-o", "cache", "--workers", 1)
    assert code == 0, err
    assert "1 done" in out
