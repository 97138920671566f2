"""`prepare` on real files: what is kept, what is redone, what is refused."""

import fcntl
import hashlib
import os
import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from hybridnet.errors import OutputError
from hybridnet.training.cache import INDEX, read_index
from hybridnet.training.sources import find_sources
from hybridnet.video import probe, transcode
from prepared import RECIPE, decode, lines, outputs, run


def share_without_vectors(path: Path) -> float:
    """Mean over P-frames of the share of the picture that no block covers, painted block by block."""
    shares = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.options = {"flags2": "+export_mvs"}
        for frame in container.decode(stream):
            if frame.pict_type == 2:
                covered = np.zeros((frame.height, frame.width), bool)
                vectors = frame.side_data.get("MOTION_VECTORS")
                for v in [] if vectors is None else vectors:
                    left, top = v.dst_x - v.w // 2, v.dst_y - v.h // 2
                    covered[max(top, 0) : top + v.h, max(left, 0) : left + v.w] = True
                shares.append(1 - covered.mean())
    return float(np.mean(shares))


def test_layout_and_index(originals: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    entries = run(originals, cache)
    assert sorted(outputs(cache)) == ["run/far/c.avi", "walk/B.avi", "walk/a.avi"]
    found = {line["source"]: line for line in lines(cache)}
    assert sorted(found) == sorted(str(originals / place) for place in entries_of(originals))
    for place, codec in {"walk/a.webm": "vp9", "walk/B.MP4": "h264", "run/far/c.avi": "mpeg4"}.items():
        line, source = found[str(originals / place)], originals / place
        output = cache / line["output"]
        assert (line["codec"], line["frames_in"], line["frames"], line["gops"]) == (codec, 15, 15, 2)
        assert probe(output).gop_lengths == (12, 3)
        assert line["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
        assert (line["size"], line["mtime_ns"]) == (source.stat().st_size, source.stat().st_mtime_ns)
        assert line["recipe"] == {"width": 64, "height": 48, "gop": 12, "quality": 5}
        assert line["intra_share"] == pytest.approx(share_without_vectors(output), abs=1e-6)
        assert (line["error"], line["damage"]) == (None, None)
        assert Path(line["output"]) == Path(place).with_suffix(".avi")
    bad = found[str(originals / "run/bad.mov")]
    assert "cannot be opened as a video" in bad["error"]
    assert bad["output"] == ""
    assert all(entry.new for entry in entries.values())
    assert {name: entry.to_dict() for name, entry in entries.items()} == {
        Path(source).name: line for source, line in found.items()
    }


def entries_of(root: Path) -> list[str]:
    return [source.place.as_posix() for source in find_sources([root], root.parent / "elsewhere")]


def test_nothing_is_done_twice(sources: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = run(sources, cache)
    before, index = outputs(cache), (cache / INDEX).read_bytes()
    again = run(sources, cache)
    assert {name: entry.to_dict() for name, entry in again.items()} == {
        name: entry.to_dict() for name, entry in first.items()
    }
    assert not any(entry.new for entry in again.values())
    assert (outputs(cache), (cache / INDEX).read_bytes()) == (before, index)

    os.utime(sources / "walk/a.webm", (1, 1))  # another time, the same content
    moved = Path(shutil.move(sources, tmp_path / "moved"))
    assert not any(entry.new for entry in run(moved, cache).values() if not entry.error)
    assert outputs(cache) == before
    assert all(line["source"].startswith(str(moved)) for line in lines(cache) if line["output"])
    assert sorted(read_index(cache)) == sorted(
        map(str, [*(moved / place for place in entries_of(moved)), sources / "run/bad.mov"])
    )


def test_what_changed_is_redone_and_nothing_else(sources: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    run(sources, cache)
    before = outputs(cache)
    shutil.copy(sources / "walk/B.MP4", sources / "walk/a.webm")  # FFmpeg looks at the content
    shutil.copy(sources / "walk/B.MP4", sources / "run/bad.mov")
    (cache / "run/far/c.avi").unlink()
    entries = run(sources, cache)
    assert {name for name, entry in entries.items() if entry.new} == {"a.webm", "bad.mov", "c.avi"}
    after = outputs(cache)
    assert after["walk/B.avi"] == before["walk/B.avi"]
    assert after["run/far/c.avi"][1] == before["run/far/c.avi"][1]
    assert after["walk/a.avi"][1] != before["walk/a.avi"][1]
    assert entries["bad.mov"].error is None

    (sources / "walk/a.webm").write_text("no longer a video")
    assert "a.webm" in (run(sources, cache)["a.webm"].error or "")
    assert sorted(outputs(cache)) == ["run/bad.avi", "run/far/c.avi", "walk/B.avi"]


def test_parallel_equals_serial(originals: Path, tmp_path: Path) -> None:
    serial, parallel = (run(originals, tmp_path / str(workers), workers=workers) for workers in (1, 3))
    assert serial == parallel
    one, three = outputs(tmp_path / "1"), outputs(tmp_path / "3")
    assert {name: digest for name, (_, digest) in one.items()} == {name: digest for name, (_, digest) in three.items()}
    direct = tmp_path / "direct.avi"
    transcode(originals / "walk/a.webm", direct, RECIPE)
    np.testing.assert_array_equal(decode(direct), decode(tmp_path / "1/walk/a.avi"))


def test_only_one_run_at_a_time(originals: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    with (cache / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(OutputError, match="cache: another run is writing"):
            run(originals, cache)
    assert os.listdir(cache) == [".lock"]


def test_unreadable_source_is_tried_again_and_its_avi_kept(sources: Path, tmp_path: Path) -> None:
    cache, link = tmp_path / "cache", sources / "walk/link.mp4"
    link.symlink_to(sources / "run/elsewhere.mp4")
    assert "cannot be read" in (run(sources / "walk", cache)["link.mp4"].error or "")
    shutil.copy(sources / "walk/B.MP4", sources / "run/elsewhere.mp4")
    assert run(sources / "walk", cache)["link.mp4"].frames == 15
    before = outputs(cache)
    (sources / "run/elsewhere.mp4").unlink()
    assert "cannot be read" in (run(sources / "walk", cache)["link.mp4"].error or "")
    assert outputs(cache) == before


def test_files_of_others_are_left_alone(originals: Path, mpeg4_video: Path, tmp_path: Path) -> None:
    shutil.copy(mpeg4_video, tmp_path / "B.avi")
    with pytest.raises(OutputError, match=r"B\.avi: is in the way"):
        run(originals / "walk/B.MP4", tmp_path)
    assert (tmp_path / "B.avi").read_bytes() == mpeg4_video.read_bytes()
    (tmp_path / INDEX).write_text('{"some": "thing"}\n')
    with pytest.raises(OutputError, match="line 1 is no entry"):
        run(originals / "walk/B.MP4", tmp_path)
    assert (tmp_path / INDEX).read_text() == '{"some": "thing"}\n'


def test_cache_that_cannot_be_made(originals: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="file"):
        run(originals, tmp_path / "file")
