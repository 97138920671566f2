"""Folders whole or not at all, and names that stay inside."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deploy.bundle import read_bundle
from deploy.files import ArrayArchive, inside, whole_folder
from hybridnet.errors import BundleError, OutputError


def identities(folder: Path) -> dict[str, tuple[int, int]]:
    """The inode and the time of the last write of everything in a folder, links not followed."""
    return {path.name: (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in folder.iterdir()}


def test_folder_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "bundle"
    with whole_folder(target, "marker") as work:
        (work / "marker").write_text("1")
        assert not target.exists()
    assert [path.name for path in target.iterdir()] == ["marker"]
    assert os.listdir(target.parent) == ["bundle"]


def test_folder_of_ours_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    for content in ("old", "new"):
        with whole_folder(target, "marker") as work:
            (work / "marker").write_text(content)
    assert (target / "marker").read_text() == "new"
    assert os.listdir(tmp_path) == ["bundle"]


def test_folder_of_others_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"meow")
    with pytest.raises(OutputError, match="exists and is not a bundle"), whole_folder(tmp_path / "photos", "marker"):
        pass
    assert os.listdir(tmp_path) == ["photos"]


def test_a_link_to_a_folder_of_ours_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to("far")
    for content in ("old", "new"):
        with whole_folder(tmp_path / "link", "marker") as work:
            (work / "marker").write_text(content)
    assert os.readlink(tmp_path / "link") == "far"
    assert (tmp_path / "far" / "marker").read_text() == "new"
    assert sorted(os.listdir(tmp_path)) == ["far", "link"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fifo", "fifo: is a FIFO, not a folder"),
        ("file", "file: is a file, not a folder"),
        ("to_file", "to_file: is a symbolic link to a file, not a folder"),
        ("dangling", "dangling: is a symbolic link to none, which does not exist"),
        ("loop", "loop: cannot be written .*links that lead in a circle"),
        ("file/out", "file/out: cannot be written .Not a directory"),
    ],
)
def test_only_a_folder_is_replaced(tmp_path: Path, name: str, words: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_text("kept")
    for link, leads_to in [("to_file", "file"), ("dangling", "none"), ("loop", "loop")]:
        (tmp_path / link).symlink_to(leads_to)
    before = identities(tmp_path)
    with pytest.raises(OutputError, match=words) as refused, whole_folder(tmp_path / name, "marker"):
        pytest.fail("the refusal came too late")
    assert len(str(refused.value).splitlines()) == 1
    assert identities(tmp_path) == before


def test_failure_leaves_nothing_and_keeps_the_old(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    with whole_folder(target, "marker") as work:
        (work / "marker").write_text("old")
    with pytest.raises(RuntimeError), whole_folder(target, "marker") as work:  # noqa: PT012
        (work / "marker").write_text("new")
        raise RuntimeError
    assert (target / "marker").read_text() == "old"
    assert os.listdir(tmp_path) == ["bundle"]


def test_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    # a file size limit stands in for the full disk: the same OSError out of the same write
    code = (
        "import resource, signal, sys; from pathlib import Path; from deploy.files import whole_folder\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "with whole_folder(Path(sys.argv[1]), 'marker') as work:\n"
        "    (work / 'marker').write_bytes(bytes(2000))\n"
    )
    target = tmp_path / "bundle"
    done = subprocess.run([sys.executable, "-c", code, target], capture_output=True, text=True, check=False)
    assert "OutputError" in done.stderr
    assert "nothing was kept" in done.stderr.splitlines()[-1]
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", "", "..\\x"])
def test_names_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleError, match="bundle"):
        inside(tmp_path, name)


def test_symbolic_links_cannot_leave_the_folder(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "secret").write_text("x")
    (tmp_path / "bundle" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(BundleError, match="leaves the bundle"):
        inside(tmp_path / "bundle", "link")


def test_a_link_to_itself_is_a_missing_file(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, bundle)
    (bundle / "motion.net").unlink()
    (bundle / "motion.net").symlink_to("motion.net")
    with pytest.raises(BundleError, match=r"file motion\.net is missing"):
        read_bundle(bundle)


def test_archive_reads_back_without_pickle(tmp_path: Path) -> None:
    wanted = {"a/x": np.arange(6, dtype=np.int8).reshape(2, 3), "b": np.array([True, False])}
    for name in ("one.npz", "two.npz"):
        with ArrayArchive(tmp_path / name) as archive:
            for key, array in wanted.items():
                archive.add(key, array)
    with np.load(tmp_path / "one.npz", allow_pickle=False) as found:
        assert set(found.files) == set(wanted)
        for key, array in wanted.items():
            np.testing.assert_array_equal(found[key], array)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
