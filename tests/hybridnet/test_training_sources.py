"""What `prepare` is to do: which files it finds, and what their AVIs are called."""

from pathlib import Path

import pytest

from hybridnet.errors import VideoError
from hybridnet.training.cache import Entry
from hybridnet.training.sources import Job, assign_outputs, find_sources
from hybridnet.video import Recipe


def touch(root: Path, *names: str) -> list[Path]:
    """Empty files, for nobody looks into them here."""
    paths = [root / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return paths


def assigned(paths: list[Path], entries: tuple[Entry, ...] = ()) -> dict[str, str]:
    """Outputs, or the reasons why there are none, by the name of the source, which must differ."""
    jobs = assign_outputs(find_sources(paths, paths[0].parent / "no/cache"), {entry.source: entry for entry in entries})
    return {job.source.name: job.output or str(job.refusal) for job in jobs}


def entry(source: Path, output: str) -> Entry:
    return Entry(str(source), 0, 0, "", Recipe(), output=output)


def test_layout_is_kept_and_the_suffix_becomes_avi(tmp_path: Path) -> None:
    touch(tmp_path, "v/walk/a.webm", "v/walk/B.MP4", "v/run/far/c.v2.avi", "v/run/.c.avi", "v/list.txt", "d.mov")
    assert assigned([tmp_path / "v", tmp_path / "d.mov"]) == {
        "a.webm": "walk/a.avi",
        "B.MP4": "walk/B.avi",
        "c.v2.avi": "run/far/c.v2.avi",
        "d.mov": "d.avi",
    }


def test_a_folder_is_searched_by_suffix_and_a_file_is_taken(tmp_path: Path) -> None:
    touch(tmp_path, "v/a.MTS", "v/b.vob", "v/c.3g2", "v/d.264", "v/e.m2ts", "v/f.mp3", "v/g.png", "v/h", "i.song", "j")
    found = assigned([tmp_path / "v", tmp_path / "i.song", tmp_path / "j"])
    assert sorted(found) == ["a.MTS", "b.vob", "c.3g2", "d.264", "e.m2ts", "i.song", "j"]


def test_twins_keep_their_suffix_but_the_first(tmp_path: Path) -> None:
    touch(tmp_path, "v/a.mkv", "v/a.mp4", "v/a.webm", "v/b.webm")
    twins = {"a.mkv": "a.avi", "a.mp4": "a.mp4.avi", "a.webm": "a.webm.avi", "b.webm": "b.avi"}
    assert assigned([tmp_path / "v"]) == twins
    touch(tmp_path, "v/a.mp4.webm")
    assert assigned([tmp_path / "v"]) == {**twins, "a.mp4.webm": "a.mp4.webm.avi"}


def test_whoever_has_a_name_keeps_it(tmp_path: Path) -> None:
    mp4, webm = touch(tmp_path, "v/a.mp4", "v/a.webm")
    assert assigned([tmp_path / "v"], (entry(webm, "a.avi"),)) == {"a.mp4": "a.mp4.avi", "a.webm": "a.avi"}
    assert assigned([mp4], (entry(webm, "a.avi"),)) == {"a.mp4": "a.mp4.avi"}
    assert assigned([mp4], (entry(webm, "a.avi"), entry(mp4, "a.mp4.avi"))) == {"a.mp4": "a.mp4.avi"}
    webm.unlink()
    assert assigned([mp4], (entry(webm, "a.avi"),)) == {"a.mp4": "a.avi"}


def test_same_name_from_two_folders_is_refused_and_the_rest_goes_on(tmp_path: Path) -> None:
    touch(tmp_path, "one/x/a.mp4", "two/x/a.mp4", "two/x/b.mp4", "three/x/a.mp4")
    sources = find_sources([tmp_path / name for name in ("one", "two", "three")], tmp_path / "cache")
    jobs = {job.source.relative_to(tmp_path).as_posix(): job for job in assign_outputs(sources, {})}
    assert {place: job.output for place, job in jobs.items()} == {
        "one/x/a.mp4": "x/a.avi", "two/x/a.mp4": "x/a.mp4.avi", "two/x/b.mp4": "x/b.avi", "three/x/a.mp4": "",
    }  # fmt: skip
    refused = jobs["three/x/a.mp4"].refusal or ""
    assert refused.startswith(f"{tmp_path / 'three/x/a.mp4'}: would become x/a.avi as {tmp_path / 'one/x/a.mp4'} does;")


def test_one_file_under_two_paths_is_one_job(tmp_path: Path) -> None:
    (video,) = touch(tmp_path, "v/a.mp4")
    again = tmp_path / "v/../v/a.mp4"
    (tmp_path / "linked").symlink_to(tmp_path / "v")
    sources = find_sources([video, video, again, tmp_path / "v", tmp_path / "linked"], tmp_path / "cache")
    assert assign_outputs(sources, {}) == [Job(video, "a.avi")]


def test_name_too_long_for_the_cache(tmp_path: Path) -> None:
    touch(tmp_path, f"{'x' * 240}.mp4", f"{'y' * 236}.mp4", "a.mp4")
    found = assigned([tmp_path])
    assert found["a.mp4"] == "a.avi"
    assert found[f"{'y' * 236}.mp4"] == f"{'y' * 236}.avi"
    assert "its name is longer than 240 bytes" in found[f"{'x' * 240}.mp4"]


def test_links_are_followed_and_circles_left(tmp_path: Path) -> None:
    touch(tmp_path, "v/walk/a.mp4", "v/b.mp4")
    (tmp_path / "v/again").symlink_to(tmp_path / "v/walk")
    (tmp_path / "v/walk/up").symlink_to(tmp_path / "v")
    sources = find_sources([tmp_path / "v"], tmp_path / "cache")
    assert [source.place.as_posix() for source in sources] == ["again/a.mp4", "b.mp4", "walk/a.mp4"]


def test_links_to_themselves_are_named_and_stop_nothing(tmp_path: Path) -> None:
    """A file that cannot be read, if a video's suffix makes it one; the reader says so of it."""
    held, _ = touch(tmp_path, "v/b.mp4", "v/walk/a.mp4")
    for name in ("circle", "circle.mp4"):
        (tmp_path / "v" / name).symlink_to(name)
    (tmp_path / "cache").symlink_to("cache")
    sources = find_sources([tmp_path / "v"], tmp_path / "cache")
    assert [source.place.as_posix() for source in sources] == ["b.mp4", "circle.mp4", "walk/a.mp4"]
    jobs = assign_outputs(sources, {str(held): entry(held, "circle.avi")})
    assert [job.output for job in jobs] == ["b.avi", "circle.mp4.avi", "walk/a.avi"]
    with pytest.raises(VideoError, match=r"circle\.mp4: is a symbolic link that leads nowhere"):
        find_sources([tmp_path / "v/circle.mp4"], tmp_path / "cache")


def test_cache_that_overlaps_its_sources(tmp_path: Path) -> None:
    (video,) = touch(tmp_path, "v/far/c.avi")
    for given, cache in ((tmp_path / "v", "v"), (tmp_path / "v", "v/cache"), (video, "v/far")):
        with pytest.raises(VideoError, match="overlaps the cache"):
            find_sources([given], tmp_path / cache)


def test_paths_that_hold_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(VideoError, match="empty: the folder holds no video"):
        find_sources([tmp_path / "empty"], tmp_path / "cache")
    with pytest.raises(VideoError, match="none: no such file"):
        find_sources([tmp_path / "none"], tmp_path / "cache")
