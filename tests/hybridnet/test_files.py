"""Files whole or not at all."""

import os
import socket
from pathlib import Path

import pytest

from hybridnet.errors import OutputError
from hybridnet.files import keep_apart, whole_file, write_whole


def identities(folder: Path) -> dict[str, tuple[int, int]]:
    """The inode and the time of the last write of everything in a folder, links not followed."""
    return {path.name: (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in folder.iterdir()}


def test_file_appears_whole(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), whole_file(tmp_path / "out") as work:  # noqa: PT012
        work.write_text("half")
        raise RuntimeError
    assert os.listdir(tmp_path) == []
    with whole_file(tmp_path / "out") as work:
        work.write_text("whole")
    assert os.listdir(tmp_path) == ["out"]


def test_missing_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"), whole_file(tmp_path / "no" / "out"):
        pass


@pytest.fixture
def crowded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds one of everything that is no regular file; never a real device, should it be replaced."""
    monkeypatch.chdir(tmp_path)  # a socket's address must be short
    os.mkfifo("fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    os.mkdir("folder")
    for name, leads_to in [("to_fifo", "fifo"), ("to_folder", "folder"), ("dangling", "none"), ("loop", "loop")]:
        os.symlink(leads_to, name)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fifo", "fifo: is a FIFO, not a file"),
        ("socket", "socket: is a socket, not a file"),
        ("folder", "folder: is a folder, not a file"),
        ("to_fifo", "to_fifo: is a symbolic link to a FIFO, not a file"),
        ("to_folder", "to_folder: is a symbolic link to a folder, not a file"),
        ("dangling", "dangling: is a symbolic link to none, which does not exist"),
        ("loop", "loop: cannot be written .*links that lead in a circle"),
        ("loop/out", "loop/out: cannot be written .*links that lead in a circle"),
        ("fifo/out", "fifo/out: cannot be written .Not a directory"),
        (".", "is a folder, not a file"),
    ],
)
def test_only_a_file_is_replaced(crowded: Path, name: str, words: str) -> None:
    before = identities(crowded)
    with pytest.raises(OutputError, match=words) as refused, whole_file(Path(name)):
        pytest.fail("the refusal came too late")
    assert len(str(refused.value).splitlines()) == 1
    assert identities(crowded) == before
    assert os.listdir("folder") == []


def test_a_link_to_a_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "file").write_bytes(b"old")
    (tmp_path / "middle").symlink_to("far/file")
    (tmp_path / "link").symlink_to("middle")
    write_whole(tmp_path / "link", b"new")
    assert [os.readlink(tmp_path / name) for name in ("link", "middle")] == ["middle", "far/file"]
    assert (tmp_path / "far" / "file").read_bytes() == b"new"
    assert sorted(os.listdir(tmp_path)) == ["far", "link", "middle"]
    assert os.listdir(tmp_path / "far") == ["file"]


def test_bytes_replace_what_was_there(tmp_path: Path) -> None:
    for data in (b"old", b"new"):
        write_whole(tmp_path / "out", data)
    assert (tmp_path / "out").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["out"]


def test_an_input_is_never_the_output(tmp_path: Path) -> None:
    video, folder = tmp_path / "v.mp4", tmp_path / "bundle"
    video.write_bytes(b"film")
    folder.mkdir()
    (tmp_path / "link").symlink_to(video)
    for target in (video, tmp_path / "link", folder / "new.npz", folder / "a" / ".." / "b.npz"):
        with pytest.raises(OutputError, match="the input"):
            keep_apart(target, video, folder)
    keep_apart(tmp_path / "other.npz", video, folder)
    assert video.read_bytes() == b"film"
