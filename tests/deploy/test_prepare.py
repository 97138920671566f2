"""`hybridnet prepare`: what it shows of each video and of the whole, and what it refuses."""

import json
import re
import shutil
from operator import itemgetter
from pathlib import Path

import pytest

from command import Command, assert_one_line
from hybridnet.video import probe


def test_prepare_shows_what_became_of_each(hybridnet: Command, vp9: Path, clip: Path, tmp_path: Path) -> None:
    folder, cache = tmp_path / "videos", tmp_path / "cache"
    for name, file in {"walk/a.webm": vp9, "walk/b.avi": clip}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder / name)
    (folder / "walk/c.mp4").write_text("no video")
    options = ("--width", 64, "--height", 48, "--gop", 6, "--quality", 9, "--workers", 1)
    code, out, err = hybridnet("prepare", folder, "-o", cache, *options)
    assert (code, len(out.splitlines())) == (1, 1)
    assert "2 done, 0 already there, 1 rejected, 0 damaged; 62 frames of 64x48, GOP 6, quality 9;" in out
    reason, summary = err.splitlines()
    assert f"{folder / 'walk/c.mp4'}: cannot be opened as a video" in reason
    assert "1 of 3 videos were rejected" in summary
    info = probe(cache / "walk/a.avi")
    assert (info.width, info.height, set(info.gop_lengths)) == (64, 48, {6, 2})

    code, out, err = hybridnet("prepare", folder, "-o", cache, *options, "--json")
    shown = json.loads(out)
    assert (code, shown["done"], shown["already_there"], shown["rejected"]) == (1, 0, 2, 1)
    assert shown["recipe"] == {"width": 64, "height": 48, "gop": 6, "quality": 9}
    index = [json.loads(line) for line in (cache / "index.jsonl").read_text().splitlines()]
    assert {video["source"]: video for video in shown["videos"]} == {line["source"]: line for line in index}
    (folder / "walk/c.mp4").unlink()
    assert hybridnet("prepare", folder, "-o", cache, *options)[0] == 0


def test_prepare_refuses_in_one_line(hybridnet: Command, vp9: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    (tmp_path / "bad.mp4").write_text("no video")
    assert_one_line(hybridnet("prepare", tmp_path / "none", "-o", cache), "none: no such file")
    assert_one_line(hybridnet("prepare", tmp_path, "-o", cache), "overlaps the cache")
    assert_one_line(hybridnet("prepare", tmp_path / "bad.mp4", "-o", cache), "bad.mp4: cannot be opened")


@pytest.mark.parametrize(
    "option", [("--gop", 1), ("--gop", 601), ("--width", 15), ("--height", 8192), ("--quality", 0), ("--workers", 0)]
)
def test_options_out_of_range_are_wrong_usage(
    hybridnet: Command, vp9: Path, tmp_path: Path, option: tuple[str, int]
) -> None:
    code, out, err = hybridnet("prepare", vp9, "-o", tmp_path / "cache", *option)
    assert (code, out) == (2, "")
    assert option[0] in err
    assert not (tmp_path / "cache").exists()


def test_another_recipe_is_another_cache(hybridnet: Command, clip: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert hybridnet("prepare", clip, "-o", cache)[0] == 0
    words = ("holds videos of 340x256, GOP 12, quality 5", "of 340x256, GOP 6, quality 5; give another cache")
    assert_one_line(hybridnet("prepare", clip, "-o", cache, "--gop", 6), *words)
    assert hybridnet("prepare", clip, "-o", cache)[0] == 0


def test_damage_is_said_and_counted(hybridnet: Command, clip: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    folder, cache = tmp_path / "videos", tmp_path / "cache"
    folder.mkdir()
    shutil.copy(clip, folder / "whole.avi")
    (folder / "cut.avi").write_bytes(clip.read_bytes()[:-3000])
    code, out, err = hybridnet("prepare", folder, "-o", cache)
    assert code == 0
    assert "2 done, 0 already there, 0 rejected, 1 damaged;" in out
    (line,) = err.splitlines()
    assert re.fullmatch(
        rf"hybridnet: {folder}/cut\.avi: damaged \(.*the file breaks off\); kept as far as it decodes", line
    )
    shown = json.loads(hybridnet("prepare", folder, "-o", cache, "--json")[1])
    assert (shown["damaged"], {Path(v["source"]).name for v in shown["videos"] if v["damage"]}) == (1, {"cut.avi"})

    shutil.move(folder, tmp_path / "moved")
    code, out, err = hybridnet("inspect", cache)
    assert (code, err) == (0, "")
    assert "a cache of `hybridnet prepare`, 2 videos, 0 rejected, 1 damaged;" in out
    assert f"{folder}/cut.avi: damaged" in out
    again = json.loads(hybridnet("inspect", cache, "--json")[1])
    by_source = itemgetter("source")  # the workers may finish in any order
    assert sorted(again["videos"], key=by_source) == sorted(shown["videos"], key=by_source)
