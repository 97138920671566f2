"""Stored arrays against `sample_clips`, and views of them against what their definition says pixel by pixel."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hybridnet.errors import DatasetError
from hybridnet.model.config import preset
from hybridnet.training.arrays import Stored, open_arrays, store_videos
from hybridnet.training.augment import Colours, View, centre_view, cut, random_view
from hybridnet.training.batches import evaluation_batches
from hybridnet.training.config import AugmentationConfig
from hybridnet.training.data import Video
from hybridnet.video import Preprocessing, sample_clips

ROOT = Path(__file__).parents[2]
SMALL = Preprocessing(size=32, short_side=48, steps=5, triplets=2)


@pytest.fixture(scope="module")
def videos(clips: Path, mpeg4_video: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A shipped square clip, a wide one of 90x70 whose last GOP is short, and a file that is no video."""
    place = tmp_path_factory.mktemp("videos")
    (place / "bad.avi").write_bytes(b"no video")
    return [*(Path(shutil.copy(video, place)) for video in (clips / "walk.avi", mpeg4_video)), place / "bad.avi"]


@pytest.fixture(scope="module")
def stored(videos: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stored]:
    folder = tmp_path_factory.mktemp("arrays")
    return {entry.video.name: entry for entry in store_videos(videos, folder, SMALL, workers=2)}


def cut_out(record: np.void, view: View, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(iframe (3,S,S), motion (T,2,S,S), residual (T,3,S,S)) of a view."""
    steps = len(record["motion"])
    shapes = (size, size, 3), (steps, size, size, 2), (steps, size, size, 3)
    iframe, motion, residual = (np.full(shape, np.nan, np.float32) for shape in shapes)
    cut(record, view, {"iframe": iframe, "motion": motion, "residual": residual})
    return iframe.transpose(2, 0, 1), motion.transpose(0, 3, 1, 2), residual.transpose(0, 3, 1, 2)


@pytest.mark.parametrize("name", ["walk.avi", "mpeg4.avi"])
def test_the_centre_view_is_what_sample_clips_gives(stored: dict[str, Stored], name: str) -> None:
    entry = stored[name]
    assert entry.new
    assert entry.file is not None
    records = open_arrays(entry.file)
    clips = list(sample_clips(entry.video, SMALL))
    assert len(records) == len(clips) == 2
    for record, clip in zip(records, clips, strict=True):
        view = centre_view(*record["iframe"].shape[1:], SMALL.size)
        wanted = clip.iframe, clip.motion, clip.residual
        for found, array in zip(cut_out(record, view, SMALL.size), wanted, strict=True):
            assert np.array_equal(found, array)
        assert not record["corrupt"]


def test_what_is_kept_and_what_is_left_out(stored: dict[str, Stored], videos: list[Path]) -> None:
    file = stored["mpeg4.avi"].file
    assert file is not None
    records = open_arrays(file)
    assert isinstance(records, np.memmap)
    assert (records["iframe"].shape, records["iframe"].dtype) == ((2, 3, 48, 62), np.uint8)
    assert (records["motion"].shape, records["motion"].dtype) == ((2, 5, 2, 48, 62), np.int8)
    assert (records["residual"].shape, records["residual"].dtype) == ((2, 5, 3, 48, 62), np.int8)
    bad = stored["bad.avi"]
    assert bad.file is None
    assert str(videos[2]) in (bad.error or "")


def test_found_again_until_anything_changes(stored: dict[str, Stored], videos: list[Path], tmp_path: Path) -> None:
    def again(folder: Path, preprocessing: Preprocessing = SMALL) -> Stored:
        (entry,) = store_videos(videos[:1], folder, preprocessing, workers=1)
        return entry

    file = stored["walk.avi"].file
    assert file is not None
    before = file.read_bytes()
    assert again(file.parent) == Stored(videos[0], file)
    assert again(file.parent, Preprocessing(40, 48, 5, 2)) == Stored(videos[0], file)  # the crop is not in it
    assert again(file.parent, Preprocessing(32, 48, 4, 2)).new
    fresh = again(tmp_path)
    assert fresh.new
    assert fresh.file is not None
    assert fresh.file.name == file.name
    assert fresh.file.read_bytes() == before
    leftover = tmp_path / f".{fresh.file.name}.abcdefgh"
    leftover.write_bytes(before[:100])
    fresh.file.unlink()
    assert again(tmp_path).new
    assert not leftover.exists()


def test_damaged_arrays_are_named(tmp_path: Path) -> None:
    for content in (b"", b"nonsense", b"\x93NUMPY\x01\x00"):
        (tmp_path / "a.npy").write_bytes(content)
        with pytest.raises(DatasetError, match=r"a\.npy: no readable arrays"):
            open_arrays(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.zeros(3))
    with pytest.raises(DatasetError, match=r"b\.npy: holds float64, not clips"):
        open_arrays(tmp_path / "b.npy")


def naive(array: np.ndarray, view: View, size: int, change: Callable[[int], int]) -> np.ndarray:
    """(...,H,W) to (...,S,S): pixel (y,x) is that whose square, scaled to the view's, holds its centre."""
    out = np.empty((*array.shape[:-2], size, size), np.int64)
    for y in range(size):
        for x in range(size):
            column = size - 1 - x if view.mirrored else x
            source_y, source_x = int((y + 0.5) * view.height / size), int((column + 0.5) * view.width / size)
            out[..., y, x] = array[..., view.top + source_y, view.left + source_x]
    return np.vectorize(change)(out)


VIEWS = [
    View(3, 7, 32, 32),
    View(0, 0, 48, 48, True),
    View(5, 14, 20, 20),
    View(9, 2, 37, 37, True),
    View(4, 3, 44, 29),
    View(1, 11, 25, 48, True),
]


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_a_view_pixel_by_pixel(stored: dict[str, Stored], view: View) -> None:
    file = stored["mpeg4.avi"].file
    assert file is not None
    record, size = open_arrays(file)[1], 32
    iframe, motion, residual = cut_out(record, view, size)

    def scaled(side: int) -> Callable[[int], int]:
        return lambda m: int(np.clip(int(m * size / side), -127, 127))

    assert np.array_equal(iframe, naive(record["iframe"], view, size, int))
    assert np.array_equal(residual, naive(record["residual"], view, size, int))
    x = naive(record["motion"][:, 0], view, size, scaled(view.width))
    y = naive(record["motion"][:, 1], view, size, scaled(view.height))
    assert abs(x).max() > 0
    assert np.array_equal(motion[:, 0], -x if view.mirrored else x)
    assert np.array_equal(motion[:, 1], y)


@pytest.mark.parametrize("colours", [Colours((2, 0, 1)), Colours((0, 2, 1), -0.75, 20.0), Colours(gain=1.5)], ids=str)
def test_colours_change_as_a_residual_can_follow(stored: dict[str, Stored], colours: Colours) -> None:
    file = stored["mpeg4.avi"].file
    assert file is not None
    record, view = open_arrays(file)[1], View(2, 5, 40, 31, True)
    plain, changed = (cut_out(record, replace(view, colours=each), 32) for each in (Colours(), colours))
    iframe, residual = plain[0][list(colours.order)], plain[2][:, list(colours.order)]
    wanted = np.rint((iframe - 127.5) * colours.gain + 127.5 + colours.offset)
    assert np.array_equal(changed[0], wanted.clip(0, 255))
    assert np.array_equal(changed[1], plain[1])
    assert np.array_equal(changed[2], np.rint(residual * colours.gain).clip(-127, 127))
    assert abs(changed[2]).max() > 0


def test_what_is_hidden_is_grey_or_still(stored: dict[str, Stored]) -> None:
    file = stored["mpeg4.avi"].file
    assert file is not None
    record, view = open_arrays(file)[1], View(0, 0, 40, 40)
    iframe, motion, residual = cut_out(record, replace(view, hidden=("iframe", "motion")), 32)
    assert (iframe == 127.5).all()
    assert not motion.any()
    assert np.array_equal(residual, cut_out(record, view, 32)[2])


def test_a_batch_holds_what_its_model_sees(stored: dict[str, Stored]) -> None:
    file = stored["walk.avi"].file
    assert file is not None
    shape = replace(preset("tiny", 2), size=32, short_side=48, steps=5)
    (full,) = evaluation_batches([Video(file, 1)], shape, 4)
    assert full.motion.shape == (2, 5, 2, 32, 32)
    for modalities in ("iframe+motion", "residual"):
        (batch,) = evaluation_batches([Video(file, 1)], replace(shape, modalities=modalities), 4)
        assert (batch.labels.tolist(), batch.clips) == ([1], (2,))
        for name in ("iframe", "motion", "residual"):
            seen = name in modalities.split("+")
            assert torch.equal(getattr(batch, name), getattr(full, name) if seen else torch.empty(0))


def draw_views(**config: Any) -> list[View]:
    rng = np.random.default_rng(0)
    return [random_view(rng, 48, 62, ("motion", "residual"), AugmentationConfig(**config)) for _ in range(300)]


def test_random_views_stay_inside_and_differ() -> None:
    views = draw_views(scales=(1.0, 0.5))
    assert {(view.height, view.width) for view in views} == {(48, 48), (24, 24)}
    assert {view.mirrored for view in views} == {True, False}
    assert {view.left for view in views if view.width == 48} == set(range(15))
    assert {view.top for view in views if view.height == 48} == {0}
    assert max(view.top + view.height for view in views) == 48
    assert max(view.left + view.width for view in views) == 62
    assert not any(view.mirrored for view in draw_views(flip=False))
    assert {(view.colours, view.hidden) for view in views} == {(Colours(), ())}


def test_sides_drawn_apart_are_neighbours() -> None:
    sides = {(view.height, view.width) for view in draw_views(scales=(1.0, 0.75, 0.5), distort=1)}
    assert sides == {(a, b) for a in (48, 36, 24) for b in (48, 36, 24) if abs(a - b) <= 12}
    assert all(view.top + view.height <= 48 and view.left + view.width <= 62 for view in draw_views(distort=3))


def test_random_colours_and_hidden_modalities() -> None:
    views = draw_views(colours=True, hide=0.5)
    assert {view.colours.order for view in views} == set(permutations(range(3)))
    gains = [view.colours.gain for view in views]
    assert min(gains) < -1.4
    assert max(gains) > 1.4
    assert min(map(abs, gains)) >= 0.5
    shares = Counter(view.hidden for view in views)
    assert shares.keys() == {(), ("motion",), ("residual",)}  # never both
    assert 100 < shares[()] < 200  # of 300: a quarter with both, and the quarter with neither


def test_a_script_without_a_guard_is_told_so(videos: list[Path], tmp_path: Path) -> None:
    """Its workers run it anew; they must not wait for the folder that their parent has."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom hybridnet.training.arrays import store_videos\n"
        "from hybridnet.video import Preprocessing\n"
        "list(store_videos([Path(sys.argv[1])], Path(sys.argv[2]), Preprocessing(32, 48, 5, 2), workers=1))\n"
    )
    done = subprocess.run(
        [sys.executable, script, videos[0], tmp_path / "arrays"],
        capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert "the worker processes cannot start; call this under if __name__ == '__main__'" in done.stderr
