"""`prepare` on real files: what is kept, what is redone, what is refused, and what a kill leaves behind."""

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import active_children
from pathlib import Path

import av
import numpy as np
import pytest

from hybridnet.errors import OutputError
from hybridnet.training.cache import INDEX, Entry, read_index
from hybridnet.training.prepare import prepare
from hybridnet.training.sources import find_sources
from hybridnet.video import Recipe, probe, transcode

Frames = Callable[..., list[np.ndarray]]
Write = Callable[..., Path]
RECIPE = Recipe(64, 48)

SCRIPT = """
import sys
from pathlib import Path
from hybridnet.training.prepare import prepare
from hybridnet.video import Recipe
for entry in prepare([Path(sys.argv[1])], Path(sys.argv[2]), Recipe(), workers=2):
    pass
"""


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory, moving_texture: Frames, write_video: Write) -> Path:
    """Class folders: VP9, H.264 with B-frames, MPEG-4 with nested layout, one that is no video, and one hidden."""
    root = tmp_path_factory.mktemp("originals")
    frames = moving_texture(15, 48, 64)
    vp9 = write_video("a.webm", frames, "libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"})
    h264 = write_video("b.mp4", frames, "libx264", b_frames=2)
    mpeg4 = write_video("c.avi", frames)
    for place, file in {"walk/a.webm": vp9, "walk/B.MP4": h264, "run/far/c.avi": mpeg4, "run/.c.avi": mpeg4}.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, root / place)
    (root / "run/bad.mov").write_text("no video")
    (root / "list.txt").write_text("a list")
    return root


@pytest.fixture
def sources(originals: Path, tmp_path: Path) -> Path:
    """A copy of the originals that a test may alter."""
    return Path(shutil.copytree(originals, tmp_path / "videos"))


def run(sources: Path | Sequence[Path], cache: Path, recipe: Recipe = RECIPE, workers: int = 1) -> dict[str, Entry]:
    """`prepare`; entries by the name of the source."""
    given = [sources] if isinstance(sources, Path) else sources
    return {Path(entry.source).name: entry for entry in prepare(given, cache, recipe, workers=workers)}


def outputs(cache: Path) -> dict[str, tuple[int, str]]:
    """Every AVI of a cache, hidden files too: when it was written, and the hash of its bytes."""
    files = [file for file in cache.rglob("*") if file.is_file() and file.name not in (INDEX, ".lock")]
    return {
        file.relative_to(cache).as_posix(): (file.stat().st_mtime_ns, hashlib.sha256(file.read_bytes()).hexdigest())
        for file in files
    }


def lines(cache: Path) -> list[dict]:
    return [json.loads(line) for line in (cache / INDEX).read_text().splitlines()]


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


def test_kill_between_the_file_and_its_line(originals: Path, tmp_path: Path) -> None:
    cache, source = tmp_path / "cache", originals / "walk/B.MP4"
    (first,) = run(source, cache).values()
    before, line = outputs(cache), (cache / INDEX).read_bytes()
    leftover = cache / ".a.avi.k3_9xyzw"
    leftover.write_bytes(b"half")
    for torn in (b"", line[:1], line[:-9], line[:-1], line + line[:40], line + b"\0" * 90):
        (cache / INDEX).write_bytes(torn)
        if torn in (b"", line[:1]):  # a run of its own takes time, and all torn ends look alike to it
            (entry,) = run(source, cache).values()
            assert entry == Entry(**{**vars(first), "new": False})
            assert not leftover.exists()
        else:
            assert len(read_index(cache)) == (torn != line[:-9])
            (cache / INDEX).write_bytes(line)
        assert (cache / INDEX).read_bytes() == line
        assert outputs(cache) == before


def test_parallel_equals_serial(originals: Path, tmp_path: Path) -> None:
    serial, parallel = (run(originals, tmp_path / str(workers), workers=workers) for workers in (1, 3))
    assert serial == parallel
    one, three = outputs(tmp_path / "1"), outputs(tmp_path / "3")
    assert {name: digest for name, (_, digest) in one.items()} == {name: digest for name, (_, digest) in three.items()}
    direct = tmp_path / "direct.avi"
    transcode(originals / "walk/a.webm", direct, RECIPE)
    np.testing.assert_array_equal(decode(direct), decode(tmp_path / "1/walk/a.avi"))


def decode(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_killed_and_gone_on_with(moving_texture: Frames, write_video: Write, tmp_path: Path) -> None:
    sources, cache = tmp_path / "videos", tmp_path / "cache"
    sources.mkdir()
    source = write_video("a.mp4", moving_texture(40, 96, 128), "libx264", b_frames=2)
    for k in range(12):
        shutil.copy(source, sources / f"{k}.mp4")
    command = [sys.executable, "-c", SCRIPT, str(sources), str(cache)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    with process:
        while not (cache / INDEX).exists() or (cache / INDEX).read_bytes().count(b"\n") < 2:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        process.stdout.read()  # ends when the workers have gone, which hold the other end
    finished = sorted(cache.glob("[!.]*.avi"))
    assert 2 <= len(finished) < 12
    for file in finished:
        assert probe(file).gop_lengths == (12, 12, 12, 4)
        assert len(decode(file)) == 40
    for line in (cache / INDEX).read_bytes().split(b"\n")[:-1]:
        assert (cache / json.loads(line)["output"]) in finished
    before = outputs(cache)
    entries = run(sources, cache, Recipe())
    after = outputs(cache)
    assert sorted(after) == sorted(f"{k}.avi" for k in range(12))
    for file in finished:
        assert after[file.name] == before[file.name]
    assert {name for name, entry in entries.items() if not entry.new} == {f"{file.stem}.mp4" for file in finished}
    assert len(lines(cache)) == 12


def test_given_up_halfway(originals: Path, tmp_path: Path) -> None:
    running = prepare([originals], tmp_path / "cache", Recipe(2000, 1500), workers=1)
    next(running)
    running.close()
    assert all("/." not in f"/{name}" for name in outputs(tmp_path / "cache"))
    assert len(lines(tmp_path / "cache")) == 1


def test_a_worker_that_dies_takes_no_other_video_along(sources: Path, tmp_path: Path) -> None:
    cache, slow = tmp_path / "cache", Recipe(1200, 900)
    with workers_killed_at_work(cache, times=2):
        (entry,) = run([sources / "walk/B.MP4"], cache, slow).values()
    assert "B.MP4: the worker that read it died" in (entry.error or "")
    assert lines(cache)[-1]["sha256"] == ""
    assert outputs(cache) == {}
    (sources / "run/bad.mov").unlink()
    with workers_killed_at_work(cache, times=1):
        entries = run(sources, cache, slow)
    assert not any(entry.error for entry in entries.values())
    assert sorted(outputs(cache)) == ["run/far/c.avi", "walk/B.avi", "walk/a.avi"]


@contextmanager
def workers_killed_at_work(cache: Path, times: int) -> Iterator[None]:
    """Kill the one worker there is when it has a file half written, as the system does when memory runs out."""

    def kill() -> None:
        seen: set[Path] = set()
        for _ in range(times):
            while not (new := {*cache.rglob(".*.avi.*")} - seen):
                time.sleep(0.002)
            seen |= new
            (worker,) = active_children()
            worker.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    yield
    killer.join()


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


def test_spoiled_output_is_made_again(originals: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    entries = run(originals, cache)
    good = next(entry for entry in entries.values() if entry.output)
    output = cache / good.output
    whole = output.read_bytes()
    for spoilt in (whole[: len(whole) * 2 // 3], whole[:10], b""):
        output.write_bytes(spoilt)
        again = run(originals, cache)
        assert [name for name, entry in again.items() if entry.new] == [Path(good.source).name]
        assert output.read_bytes() == whole


def test_spoiled_output_of_a_source_that_changed_is_made_again(sources: Path, tmp_path: Path) -> None:
    cache, video = tmp_path / "cache", sources / "walk/B.MP4"
    good = run(sources, cache)["B.MP4"]
    output = cache / good.output
    output.write_bytes(bytes(good.output_size or 0))  # no AVI, of the size that it had
    os.utime(video)
    assert run(sources, cache)["B.MP4"].new
    assert probe(output).gop_lengths == (12, 3)
