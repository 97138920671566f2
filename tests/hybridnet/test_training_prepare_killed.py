"""`prepare` stopped, killed and spoiled: what that leaves behind, and how the next run mends it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import active_children
from pathlib import Path

import numpy as np

from hybridnet.training.cache import INDEX, Entry, read_index
from hybridnet.training.prepare import prepare
from hybridnet.video import Recipe, probe
from prepared import decode, lines, outputs, run

Frames = Callable[..., list[np.ndarray]]
Write = Callable[..., Path]

SCRIPT = """
import sys
from pathlib import Path
from hybridnet.training.prepare import prepare
from hybridnet.video import Recipe
for entry in prepare([Path(sys.argv[1])], Path(sys.argv[2]), Recipe(), workers=2):
    pass
"""


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
