"""What the tests of the command line share."""

import sys
from pathlib import Path

import pytest

from command import Command, Done
from deploy import console
from deploy.cli import main
from panning import encode


@pytest.fixture(autouse=True)
def without_progress_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow machine may take longer than their interval, and tests count the lines on stderr."""
    monkeypatch.setattr(console, "INTERVAL", 3600.0)


@pytest.fixture
def hybridnet(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command line, called as its console script calls it: exit code, stdout, stderr."""

    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["hybridnet", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        return Done(left.value.code or 0, *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def vp9(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """VP9, 26 frames: no motion vectors."""
    path = tmp_path_factory.mktemp("vp9") / "new.webm"
    return encode(path, "libvpx-vp9", 26, **{"deadline": "realtime", "cpu-used": "8"})
