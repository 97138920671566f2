"""What a cache says of itself: one recipe, one line per source whatever happens, and the damage of its sources."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hybridnet.errors import OutputError
from hybridnet.training.cache import INDEX, Entry, read_index
from hybridnet.training.prepare import prepare
from hybridnet.video import Damage, Recipe, probe

Frames = Callable[..., list[np.ndarray]]
Write = Callable[..., Path]
SMALL, OTHER = Recipe(64, 48), Recipe(80, 48, 5)


@pytest.fixture
def videos(moving_texture: Frames, write_video: Write, tmp_path: Path) -> Path:
    """Two videos of 15 frames."""
    video = write_video("a.avi", moving_texture(15, 48, 64))
    (tmp_path / "videos").mkdir()
    for name in ("a.avi", "b.avi"):
        shutil.copy(video, tmp_path / "videos" / name)
    return tmp_path / "videos"


def run(sources: Path, cache: Path, recipe: Recipe = SMALL) -> dict[str, Entry]:
    """`prepare`; entries by the name of the source."""
    return {Path(entry.source).name: entry for entry in prepare([sources], cache, recipe, workers=1)}


def names(cache: Path) -> list[str]:
    """The source of every line of the index."""
    return sorted(Path(json.loads(line)["source"]).name for line in (cache / INDEX).read_text().splitlines())


def test_another_recipe_is_refused_and_nothing_touched(videos: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    run(videos, cache)
    before = {file.name: file.read_bytes() for file in cache.iterdir()}
    words = r"cache: holds videos of 64x48, GOP 12, quality 5, these would be of 80x48, GOP 5, quality 5; give another"
    with pytest.raises(OutputError, match=words):
        run(videos, cache, OTHER)
    assert {file.name: file.read_bytes() for file in cache.iterdir()} == before
    (cache / INDEX).unlink()  # as if it had been killed before its first line
    with pytest.raises(OutputError, match=words):
        run(videos, cache, OTHER)


def test_a_cache_that_was_emptied_takes_any_recipe(videos: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    run(videos, cache)
    for file in cache.glob("*.avi"):
        file.unlink()
    run(videos / "a.avi", cache, OTHER)
    assert probe(cache / "a.avi").gop_lengths == (5, 5, 5)
    assert names(cache) == ["a.avi"]


def test_one_line_per_source_whenever_it_is_left(videos: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    run(videos, cache)
    assert names(cache) == ["a.avi", "b.avi"]
    shutil.copy(videos / "b.avi", videos / "c.avi")
    for name in ("a.avi", "b.avi"):
        (videos / name).write_bytes((videos / name).read_bytes() + bytes(2))  # changed, so it is done again
    running = prepare([videos], cache, SMALL, workers=1)
    first = Path(next(running).source).name
    assert names(cache) == [first]
    running.close()
    assert names(cache) == [first]
    run(videos, cache)
    assert names(cache) == ["a.avi", "b.avi", "c.avi"]
    (cache / "a.avi").unlink()
    run(videos / "a.avi", cache)
    assert names(cache) == ["a.avi", "b.avi", "c.avi"]


def test_reading_an_index_writes_nothing(videos: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    run(videos, cache)
    whole = (cache / INDEX).read_bytes()
    (cache / INDEX).write_bytes(whole[:-9])
    assert list(read_index(cache)) == [str(videos / "a.avi")]
    assert (cache / INDEX).read_bytes() == whole[:-9]


def test_twins_and_the_same_name_twice(videos: Path, tmp_path: Path) -> None:
    cache, more = tmp_path / "cache", tmp_path / "more"
    shutil.copy(videos / "a.avi", videos / "a.mp4")
    shutil.copytree(videos, more)
    found = list(prepare([videos, more], cache, SMALL, workers=1))
    assert sorted(entry.output for entry in found if not entry.error) == [
        "a.avi",
        "a.avi.avi",
        "a.mp4.avi",
        "b.avi",
        "b.avi.avi",
    ]
    (refused,) = [entry for entry in found if entry.error]
    assert refused.source == str(more / "a.mp4")
    assert "would become a.avi as" in (refused.error or "")
    assert len(names(cache)) == 6
    assert all(not entry.new for entry in prepare([videos, more], cache, SMALL, workers=1) if not entry.error)
    assert len(names(cache)) == 6


def test_damage_of_the_source_is_kept(videos: Path, mpeg4_video: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    data = mpeg4_video.read_bytes()
    (videos / "cut.avi").write_bytes(data[: len(data) // 2])
    first = run(videos, cache)
    assert [entry.damage for entry in (first["a.avi"], first["b.avi"])] == [None, None]
    damage = first["cut.avi"].damage
    assert damage is not None
    assert damage.cut
    line = next(json.loads(line) for line in (cache / INDEX).read_text().splitlines() if "cut.avi" in line)
    assert Damage(**line["damage"]) == damage
    assert line["frames"] < 40
    assert run(videos, cache)["cut.avi"].damage == damage
    (cache / INDEX).unlink()  # its AVI is adopted, and the source looked at again
    adopted = run(videos, cache)["cut.avi"]
    assert (adopted.new, adopted.damage) == (False, damage)
