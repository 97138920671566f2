"""The readers on lines just as the official lists have them: line ends, spaces, quotes, odd names."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from hybridnet.training import Dataset, read_hmdb51, read_kinetics, read_something_v2, read_ucf101

Place = Callable[..., None]


def found(dataset: Dataset) -> dict[str, tuple[str, str]]:
    """Label and split by video."""
    return {PurePosixPath(item.video).as_posix(): (dataset.labels[item.label], item.split) for item in dataset.items}


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_ucf101(place: Place, tmp_path: Path, end: bytes) -> None:
    # copies in use have either line end, and some lack the last one
    classes = [b"1 ApplyEyeMakeup", b"2 ApplyLipstick", b"3 HandstandPushups", b"4 YoYo"]
    (tmp_path / "classInd.txt").write_bytes(end.join([*classes, b""]))
    train = [b"ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1", b"HandstandPushups/v_HandStandPushups_g08_c01.avi 3"]
    (tmp_path / "trainlist01.txt").write_bytes(end.join([*train, b""]))
    test = [b"ApplyLipstick/v_ApplyLipstick_g01_c01.avi", b"YoYo/v_YoYo_g14_c04.avi"]
    (tmp_path / "testlist01.txt").write_bytes(end.join(test))
    place("ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi", "HandstandPushups/v_HandstandPushups_g08_c01.avi")
    place("ApplyLipstick/v_ApplyLipstick_g01_c01.avi", "YoYo/v_YoYo_g14_c04.avi")
    dataset = read_ucf101(tmp_path, split=1)
    assert dataset.labels == ("ApplyEyeMakeup", "ApplyLipstick", "HandstandPushups", "YoYo")
    assert found(dataset) == {
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi": ("ApplyEyeMakeup", "train"),
        "HandstandPushups/v_HandstandPushups_g08_c01.avi": ("HandstandPushups", "train"),
        "ApplyLipstick/v_ApplyLipstick_g01_c01.avi": ("ApplyLipstick", "test"),
        "YoYo/v_YoYo_g14_c04.avi": ("YoYo", "test"),
    }
    assert not any(vars(dataset.report).values())


def test_hmdb51(place: Place, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/brush_hair_test_split1.txt").write_bytes(
        b"April_09_brush_hair_u_nm_np1_ba_goo_0.avi 1 \n"
        b"Aussie_Brunette_Brushing_Hair_II_brush_hair_u_nm_np1_ba_goo_4.avi 0 \n"
        b"Brushing_Her_Hair__[_NEW_AUDIO_]_UPDATED!!!!_brush_hair_h_cm_np1_fr_goo_0.avi 2 \n"
    )
    (tmp_path / "lists/wave_test_split1.txt").write_bytes(
        b"_I_ll_Just_Wave_My_Hand__sung_by_Cornerstone_Male_Choir_wave_u_cm_np1_fr_med_0.avi 2 \n"
    )
    brush, wave = "v/brush_hair", "v/wave"
    place(f"{brush}/April_09_brush_hair_u_nm_np1_ba_goo_0.avi")
    place(f"{brush}/Aussie_Brunette_Brushing_Hair_II_brush_hair_u_nm_np1_ba_goo_4.avi")
    place(f"{brush}/Brushing_Her_Hair__[_NEW_AUDIO_]_UPDATED!!!!_brush_hair_h_cm_np1_fr_goo_0.avi")
    place(f"{wave}/_I_ll_Just_Wave_My_Hand__sung_by_Cornerstone_Male_Choir_wave_u_cm_np1_fr_med_0.avi")
    dataset = read_hmdb51(tmp_path / "v", split=1, lists=tmp_path / "lists")
    assert list(found(dataset).values()) == [("brush_hair", "train"), ("brush_hair", "test"), ("wave", "test")]
    assert not any(vars(dataset.report).values())


def test_kinetics(place: Place, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/train.csv").write_bytes(
        b'label,youtube_id,time_start,time_end,split,is_cc\n"air drumming",_dbcJuKJQNs,40,50,train,0\n'
    )
    (tmp_path / "lists/validate.csv").write_bytes(
        b"label,youtube_id,time_start,time_end,split\n"
        b"petting animal (not cat),-Aw1GOyNtlI,13,23,validate\nflipping pancake,--33Lscn6sk,4,14,validate\n"
    )
    # as first published, and as in copies, without labels
    (tmp_path / "lists/test.csv").write_bytes(b"youtube_id,time_start,time_end,split\n--6bJUbfpnQ,17,27,test\n")
    place("v/air drumming/_dbcJuKJQNs_000040_000050.mp4", "v/flipping pancake/--33Lscn6sk_000004_000014.mp4")
    place("v/petting animal (not cat)/-Aw1GOyNtlI_000013_000023.mp4", "v/--6bJUbfpnQ_000017_000027.mp4")
    dataset = read_kinetics(tmp_path / "v", lists=tmp_path / "lists")
    assert dataset.labels == ("air drumming", "flipping pancake", "petting animal (not cat)")
    assert sorted(found(dataset).values()) == [
        ("air drumming", "train"), ("flipping pancake", "val"), ("petting animal (not cat)", "val"),
    ]  # fmt: skip
    assert not any(vars(dataset.report).values())


def test_something_v2(place: Place, tmp_path: Path) -> None:
    surface = "[something similar to other things that are already on the table]"
    (tmp_path / "labels.json").write_bytes(
        b'{"Holding something next to something":"1",'
        b'"Putting something similar to other things that are already on the table":"2",'
        b'"Approaching something with your camera":"0"}'
    )
    (tmp_path / "train.json").write_bytes(
        b'[{"id":"78687","label":"holding potato next to vicks vaporub bottle",'
        b'"template":"Holding [something] next to [something]","placeholders":["potato","vicks vaporub bottle"]},\n'
        b'{"id":"42326","label":"putting a pen","template":"Putting '
        + surface.encode()
        + b'","placeholders":["a pen"]}]'
    )
    (tmp_path / "validation.json").write_bytes(
        b'[{"id":"74225","label":"approaching a cup","template":"Approaching [something] with your camera",'
        b'"placeholders":["a cup"]}]'
    )
    (tmp_path / "test.json").write_bytes(b'[{"id":"1420"}]')
    place("78687.webm", "42326.webm", "74225.webm", "1420.webm")
    dataset = read_something_v2(tmp_path)
    assert found(dataset) == {
        "78687.webm": ("Holding something next to something", "train"),
        "42326.webm": ("Putting something similar to other things that are already on the table", "train"),
        "74225.webm": ("Approaching something with your camera", "val"),
    }
    assert not any(vars(dataset.report).values())
