"""`--json`: one object on stdout whatever happens, the reason on stderr all the same."""

import json
import shutil
from pathlib import Path

import pytest

from command import Command
from deploy.cli import app


@pytest.fixture
def as_json(hybridnet: Command) -> Command:
    """The command line with --json."""
    return lambda *arguments: hybridnet(*arguments, "--json")


FAILING = {
    "export": ["none.safetensors", "-o", "out"],
    "verify": ["none"],
    "simulate": ["none", "none.avi"],
    "energy": ["none", "none.avi"],
    "run": ["none", "none.avi"],
    "prepare": ["none.mp4", "-o", "cache"],
    "inspect": ["none"],
    "train": ["none.toml"],
    "evaluate": ["none.safetensors", "none"],
    "report": ["none", "none.avi", "-o", "report.html"],
}


def test_every_command_is_here() -> None:
    harmless = {"targets", "doctor", "paper"}  # they take no input
    assert {command.callback.__name__ for command in app.registered_commands if command.callback} == {
        *FAILING,
        *harmless,
    }


@pytest.mark.parametrize("command", FAILING)
def test_error_alone(as_json: Command, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = as_json(command, *FAILING[command])
    assert code == 1
    assert json.loads(out).keys() == {"error"}
    assert err == f"hybridnet: {json.loads(out)['error']}\n"


@pytest.mark.parametrize("command", ["run", "energy"])
def test_a_video_that_cannot_be_used_is_a_row(
    as_json: Command, tiny_bundle: Path, tmp_path: Path, command: str
) -> None:
    (tmp_path / "bad.avi").write_text("no video")
    for given, lines in ((tmp_path / "bad.avi", 1), (tmp_path, 2)):
        code, out, err = as_json(command, tiny_bundle, given)
        assert code == 1
        (row,) = json.loads(out)["videos"]
        assert row.keys() == {"video", "error"}
        assert row["error"] in err
        assert len(err.splitlines()) == lines


def test_simulate_and_inspect_of_what_is_no_video(as_json: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.avi").write_text("no video")
    for arguments in (("simulate", tiny_bundle), ("inspect",)):
        code, out, err = as_json(*arguments, tmp_path / "bad.avi")
        assert code == 1
        assert json.loads(out)["error"] in err


def test_verification_that_fails_says_which_check(as_json: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "copy")
    with (bundle / "motion.net").open("ab") as file:
        file.write(b"more")
    code, out, err = as_json("verify", bundle)
    assert code == 1
    assert json.loads(out)["passed"] is False
    assert len(err.splitlines()) == 1


def test_a_single_video_that_is_rejected(as_json: Command, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("no video")
    code, out, err = as_json("prepare", tmp_path / "bad.mp4", "-o", tmp_path / "cache")
    assert code == 1
    (video,) = json.loads(out)["videos"]
    assert err == f"hybridnet: {video['error']}\n"


def test_wrong_usage_is_said_on_stderr_alone(as_json: Command, tmp_path: Path) -> None:
    code, out, err = as_json("prepare", tmp_path, "-o", tmp_path / "cache", "--gop", 1)
    assert (code, out) == (2, "")
    assert "--gop" in err
