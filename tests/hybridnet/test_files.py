"""Files whole or not at all."""

import os
from pathlib import Path

import pytest

from hybridnet.errors import OutputError
from hybridnet.files import whole_file, write_whole


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


def test_bytes_replace_what_was_there(tmp_path: Path) -> None:
    for data in (b"old", b"new"):
        write_whole(tmp_path / "out", data)
    assert (tmp_path / "out").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["out"]
