"""Small trees in the published layouts, and by hand what each reader must find in them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hybridnet.errors import DatasetError
from hybridnet.training import (
    Dataset,
    Item,
    Report,
    read_folder,
    read_hmdb51,
    read_kinetics,
    read_something_v2,
    read_ucf101,
)
from packets import remux, spans

Place = Callable[..., None]


def write(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def items(*rows: tuple[str, int, str]) -> tuple[Item, ...]:
    return tuple(Item(Path(video), label, split) for video, label, split in rows)


def paths(*names: str) -> tuple[Path, ...]:
    return tuple(map(Path, names))


def ucf_lists(folder: Path) -> None:
    write(folder / "classInd.txt", "1 YoYo", "2 HandstandPushups")
    write(folder / "trainlist01.txt", "YoYo/v_YoYo_g08_c01.avi 1", "HandstandPushups/v_HandStandPushups_g08_c01.avi 2")
    write(folder / "testlist01.txt", "HandstandPushups/v_HandStandPushups_g01_c01.avi", "YoYo/v_YoYo_g01_c01.avi")


def test_ucf101(place: Place, tmp_path: Path) -> None:
    ucf_lists(tmp_path / "lists")
    place("v/YoYo/v_YoYo_g08_c01.avi", "v/HandStandPushups/v_HandStandPushups_g08_c01.mp4")
    place("v/HandStandPushups/v_HandstandPushups_g01_c01.avi", "v/YoYo/v_YoYo_g09_c01.avi", "v/YoYo/._v_YoYo.avi")
    assert read_ucf101(tmp_path / "v", split=1, lists=tmp_path / "lists") == Dataset(
        ("YoYo", "HandstandPushups"),
        items(
            ("YoYo/v_YoYo_g08_c01.avi", 0, "train"),
            ("HandStandPushups/v_HandStandPushups_g08_c01.mp4", 1, "train"),
            ("HandStandPushups/v_HandstandPushups_g01_c01.avi", 1, "test"),
        ),
        Report(missing=paths("YoYo/v_YoYo_g01_c01.avi"), unlisted=paths("YoYo/v_YoYo_g09_c01.avi")),
    )


def test_unreadable(place: Place, tmp_path: Path) -> None:
    ucf_lists(tmp_path)
    place("YoYo/v_YoYo_g08_c01.avi")
    write(tmp_path / "YoYo/v_YoYo_g01_c01.avi", "no video")
    (tmp_path / "HandstandPushups").mkdir()
    (tmp_path / "HandstandPushups/v_HandStandPushups_g08_c01.avi").touch()
    empty, garbage = "HandstandPushups/v_HandStandPushups_g08_c01.avi", "YoYo/v_YoYo_g01_c01.avi"
    assert read_ucf101(tmp_path, split=1).report.unreadable == paths(empty)
    checked = read_ucf101(tmp_path, split=1, check=True)
    assert checked.report.unreadable == paths(empty, garbage)
    assert checked.items == items(("YoYo/v_YoYo_g08_c01.avi", 0, "train"))


def test_video_that_cannot_be_read_to_its_end(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "walk").mkdir()
    shutil.copy(clip, tmp_path / "walk/a.avi")
    cut = remux(clip, tmp_path / "walk/b.mp4", movflags="faststart")
    cut.write_bytes(cut.read_bytes()[: spans(cut)[30][0]])
    assert len(read_folder(tmp_path).items) == 2
    checked = read_folder(tmp_path, check=True)
    assert (checked.items, checked.report.unreadable) == (items(("walk/a.avi", 0, "all")), paths("walk/b.mp4"))


def test_hmdb51(place: Place, tmp_path: Path) -> None:
    write(tmp_path / "wave_test_split2.txt", "#1_wave_u_nm.avi 2 ", "b_wave.avi 0 ", "c_wave.avi 1 ")
    write(tmp_path / "brush_hair_test_split2.txt", "a_brush.avi 1 ")
    place("wave/#1_wave_u_nm.avi", "wave/b_wave.avi", "brush_hair/a_brush.mp4", "brush_hair/z.avi")
    assert read_hmdb51(tmp_path, split=2) == Dataset(
        ("brush_hair", "wave"),
        items(("brush_hair/a_brush.mp4", 0, "train"), ("wave/#1_wave_u_nm.avi", 1, "test")),
        Report(missing=paths("wave/c_wave.avi"), unlisted=paths("brush_hair/z.avi")),
    )


def test_kinetics(place: Place, tmp_path: Path) -> None:
    head = "label,youtube_id,time_start,time_end,split"
    write(tmp_path / "lists/train.csv", head, "riding a bike,-AbC_1,7,17,train", '"tying, a tie",abc,120,130,train')
    write(tmp_path / "lists/validate.csv", head + ",is_cc", "abseiling,xyz,0,10,validate,0", "abseiling,q,1,11,val,0")
    place("v/riding a bike/-AbC_1_000007_000017.mp4", "v/xyz.mp4", "v/abc_000120_000130.webm")
    place("v/q_000002_000012.mp4", "v/ABC_000120_000130.mp4")
    assert read_kinetics(tmp_path / "v", lists=tmp_path / "lists") == Dataset(
        ("abseiling", "riding a bike", "tying, a tie"),
        items(
            ("riding a bike/-AbC_1_000007_000017.mp4", 1, "train"),
            ("abc_000120_000130.webm", 2, "train"),
            ("xyz.mp4", 0, "val"),
        ),
        Report(
            missing=paths("q_000001_000011.mp4"),
            unlisted=paths("ABC_000120_000130.mp4", "q_000002_000012.mp4"),
        ),
    )


@pytest.mark.parametrize("prefix", ["", "something-something-v2-"])
def test_something_v2(place: Place, tmp_path: Path, prefix: str) -> None:
    labels = {"Putting something on something": "1", "Closing something": "0"}
    train = [{"id": "7", "label": "putting cup on book", "template": "Putting [something] on [something]"}]
    validation = [{"id": "10", "template": "Closing [something]"}, {"id": "11", "template": "Closing [something]"}]
    for name, content in {"labels": labels, "train": train, "validation": validation, "test": [{"id": "9"}]}.items():
        write(tmp_path / f"{prefix}{name}.json", json.dumps(content))
    place("7.webm", "9.webm", "10.mp4", "12.webm")
    assert read_something_v2(tmp_path) == Dataset(
        ("Closing something", "Putting something on something"),
        items(("7.webm", 1, "train"), ("10.mp4", 0, "val")),
        Report(missing=paths("11.webm"), unlisted=paths("12.webm")),
    )


def test_plain_folder(place: Place, tmp_path: Path) -> None:
    place("walk/a.avi", "jump high/b.mp4", "stray.avi")
    assert read_folder(tmp_path) == Dataset(
        ("jump high", "walk"),
        items(("jump high/b.mp4", 0, "all"), ("walk/a.avi", 1, "all")),
        Report(unlisted=paths("stray.avi")),
    )


def test_folder_with_splits(place: Place, tmp_path: Path) -> None:
    place("train/walk/a.avi", "validation/jump/a.avi", "test/walk/c.avi")
    found = read_folder(tmp_path)
    assert found.labels == ("jump", "walk")
    assert found.items == items(
        ("test/walk/c.avi", 1, "test"), ("train/walk/a.avi", 1, "train"), ("validation/jump/a.avi", 0, "val")
    )


def test_folder_beside_splits_that_is_none(place: Place, tmp_path: Path) -> None:
    place("train/walk/a.avi", "val/walk/b.avi", "extra/walk/c.avi")
    assert_says(lambda: read_folder(tmp_path), f"{tmp_path}: extra beside train, val is no split", "move it elsewhere")


def test_linked_class_folder(place: Place, tmp_path: Path) -> None:
    place("elsewhere/a.avi")
    (tmp_path / "v").mkdir()
    (tmp_path / "v/walk").symlink_to(tmp_path / "elsewhere")
    assert read_folder(tmp_path / "v").items == items(("walk/a.avi", 0, "all"))


def spoilt(tmp_path: Path, name: str, *lines: str) -> Callable[[], object]:
    ucf_lists(tmp_path)
    write(tmp_path / name, *lines)
    return lambda: read_ucf101(tmp_path, split=1)


@pytest.mark.parametrize(
    ("name", "line", "words"),
    [
        ("classInd.txt", "2 YoYo", ["classInd.txt line 1", "2 YoYo", "1 CLASS"]),
        ("trainlist01.txt", "YoYo/v_YoYo_g08_c01.avi", ["trainlist01.txt line 1", "LABEL"]),
        ("trainlist01.txt", "YoYo/v_YoYo_g08_c01.avi 2", ["trainlist01.txt line 1", "label 1"]),
        ("trainlist01.txt", "Yodel/v_YoYo_g08_c01.avi 1", ["trainlist01.txt line 1", "Yodel", "classInd.txt"]),
        ("testlist01.txt", "nonsense", ["testlist01.txt line 1", "nonsense"]),
        ("testlist01.txt", "YoYo/v_YoYo_g08_c01.avi", ["testlist01.txt line 1", "trainlist01.txt line 1"]),
        ("testlist01.txt", "", ["testlist01.txt", "empty"]),
    ],
)
def test_malformed_ucf_lists(place: Place, tmp_path: Path, name: str, line: str, words: list[str]) -> None:
    place("YoYo/v_YoYo_g08_c01.avi")
    assert_says(spoilt(tmp_path, name, line), *words)


def assert_says(call: Callable[[], object], *words: str) -> None:
    with pytest.raises(DatasetError) as raised:
        call()
    text = str(raised.value)
    assert "\n" not in text
    for word in words:
        assert word in text


def test_other_malformed_lists(place: Place, tmp_path: Path) -> None:
    place("a.mp4")
    write(tmp_path / "wave_test_split1.txt", "a.avi 3")
    assert_says(lambda: read_hmdb51(tmp_path, split=1), "wave_test_split1.txt line 1", "a.avi 3", "2 (test)")
    assert_says(lambda: read_hmdb51(tmp_path, split=2), "wave_test_split2.txt", "test_train_splits.rar")
    write(tmp_path / "train.csv", "label,youtube_id,time_start,time_end,split", "x,a,one,2,train")
    assert_says(lambda: read_kinetics(tmp_path), "train.csv line 2", "x,a,one,2,train")
    write(tmp_path / "train.csv", "youtube_id,label")
    assert_says(lambda: read_kinetics(tmp_path), "train.csv line 1", "time_start")
    write(tmp_path / "labels.json", '{"Closing something": "1"}')
    assert_says(lambda: read_something_v2(tmp_path), "labels.json", "index")
    write(tmp_path / "labels.json", '{"Closing something": "0"}')
    write(tmp_path / "train.json", '[{"id": "a", "template": "Opening [something]"}]')
    assert_says(lambda: read_something_v2(tmp_path), "train.json entry 0", "Opening [something]", "labels.json")
    write(tmp_path / "train.json", '[{"id": 3}]')
    assert_says(lambda: read_something_v2(tmp_path), "train.json entry 0", "template")


def test_what_is_not_there(place: Place, tmp_path: Path) -> None:
    place("v/walk/a.avi")
    readers = (lambda r: read_ucf101(r, split=1), lambda r: read_hmdb51(r, split=1), read_kinetics, read_something_v2)
    for read, name in zip(readers, ("classInd.txt", "_test_split1.txt", ".csv", "labels.json"), strict=True):
        assert_says(lambda read=read: read(tmp_path / "none"), "none", "no such folder")
        assert_says(lambda read=read: read(tmp_path / "v"), name, "comes from")
    assert_says(lambda: read_folder(tmp_path / "none"), "none", "no such folder")
    assert_says(lambda: read_folder(tmp_path / "v/walk"), "class folder")
    assert_says(lambda: read_ucf101(tmp_path / "v", split=4), "split 4", "1, 2 or 3")
    assert_says(lambda: read_ucf101(tmp_path / "v", split=1, lists=tmp_path / "gone"), "gone", "lists")
    ucf_lists(tmp_path / "v")
    assert_says(lambda: read_ucf101(tmp_path / "v", split=1), "YoYo/v_YoYo_g08_c01.avi", "none")


def test_two_files_for_one_video(place: Place, clip: Path, tmp_path: Path) -> None:
    ucf_lists(tmp_path)
    place("YoYo/v_YoYo_g08_c01.avi")
    shutil.copy(clip, tmp_path / "YoYo/v_YoYo_g08_c01.mp4")
    assert_says(lambda: read_ucf101(tmp_path, split=1), "v_YoYo_g08_c01.avi", "v_YoYo_g08_c01.mp4", "keep one")
