"""Which GOPs a video's clips come from, and the integers in a clip, by hand and by loops."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hybridnet.errors import TranscodeNeeded, VideoError
from hybridnet.video import (
    Gop,
    Preprocessing,
    choose_gops,
    make_clip,
    read_gops,
    sample_clips,
    uniform_indices,
)

Frames = Callable[..., list[np.ndarray]]
Write = Callable[..., Path]


def gop_of(motion: np.ndarray, residual: np.ndarray, iframe: np.ndarray, corrupt: bool = False) -> Gop:
    count = len(motion)
    return Gop(
        iframe=iframe,
        motion=motion.astype(np.int16),
        residual=residual.astype(np.int16),
        positions=np.arange(1, count + 1, dtype=np.int32),
        intra_share=np.zeros(count, np.float32),
        start=0,
        length=count + 1,
        corrupt=corrupt,
    )


def random_gop(count: int, height: int, width: int) -> Gop:
    rng = np.random.default_rng(5)
    return gop_of(
        rng.integers(-60, 61, (count, height, width, 2)),
        rng.integers(-255, 256, (count, height, width, 3)),
        rng.integers(0, 256, (height, width, 3), dtype=np.uint8),
    )


@pytest.mark.parametrize(
    ("count", "wanted", "indices"),
    [
        (0, 8, ()),
        (1, 8, (0,)),
        (5, 8, (0, 1, 2, 3, 4)),
        (8, 8, (0, 1, 2, 3, 4, 5, 6, 7)),
        (10, 1, (5,)),
        (10, 2, (2, 7)),
        (10, 3, (1, 5, 8)),  # 1.67, 5, 8.33
        (25, 8, (1, 4, 7, 10, 14, 17, 20, 23)),  # 1.56, 4.69, 7.81, 10.94, 14.06, 17.19, 20.31, 23.44
    ],
)
def test_uniform_indices_by_hand(count: int, wanted: int, indices: tuple[int, ...]) -> None:
    assert uniform_indices(count, wanted) == indices


def test_only_full_gops_are_chosen() -> None:
    preprocessing = Preprocessing(size=16, short_side=16, steps=3, triplets=2)
    assert choose_gops((4, 3, 9, 1, 4, 4), preprocessing) == (2, 5)  # full: 0, 2, 4, 5; their places 1 and 3
    assert choose_gops((3, 2), preprocessing) == ()
    assert choose_gops((), preprocessing) == ()


def test_motion_and_residual_values_by_hand() -> None:
    values = np.array([0, 1, 2, 3, 19, 20, 21, 900, -1, -3, -19, -20, -21, -900, 10, -10])
    scaled = [0, 6, 12, 19, 120, 127, 127, 127, -6, -19, -120, -127, -127, -127, 63, -63]  # 6.35, 12.7, 19.05, 120.65
    motion = np.zeros((1, 4, 4, 2), int)
    motion[0, ..., 0] = values.reshape(4, 4)
    motion[0, ..., 1] = -values.reshape(4, 4)
    residual = np.zeros((1, 4, 4, 3), int)
    residual[0, 0, :, 2] = 126, 127, 128, 255
    residual[0, 1, :, 0] = -126, -127, -128, -255
    clip = make_clip(
        gop_of(motion, residual, np.zeros((4, 4, 3), np.uint8)), Preprocessing(size=4, short_side=4, steps=1), 3
    )
    assert clip.motion.dtype == clip.residual.dtype == np.int8
    assert clip.motion[0, 0].ravel().tolist() == scaled
    assert clip.motion[0, 1].ravel().tolist() == [-v for v in scaled]
    assert clip.residual[0, 2, 0].tolist() == [126, 127, 127, 127]
    assert clip.residual[0, 0, 1].tolist() == [-126, -127, -127, -127]
    assert clip.gop == 3
    assert not clip.corrupt


def test_motion_shrinks_with_the_picture_by_hand() -> None:
    motion = np.zeros((1, 4, 4, 2), int)
    motion[0, 1, 1] = 7, -7  # 3.5 pixels of the smaller picture: 3, and 3 * 127 / 20 = 19.05
    motion[0, 3, 3] = 41, -41  # 20.5: 20, the limit
    clip = make_clip(
        gop_of(motion, np.zeros((1, 4, 4, 3)), np.zeros((4, 4, 3), np.uint8)),
        Preprocessing(size=2, short_side=2, steps=1),
        0,
    )
    assert clip.motion[0].tolist() == [[[19, 0], [0, 127]], [[-19, 0], [0, -127]]]


def truncated(value: Fraction) -> int:
    return int(value)


@pytest.mark.parametrize(
    ("height", "width", "short_side", "size"),
    [(20, 30, 20, 14), (20, 30, 12, 9), (30, 20, 33, 32), (25, 37, 16, 16), (21, 21, 21, 21)],
)
def test_resampled_crop_against_loops(height: int, width: int, short_side: int, size: int) -> None:
    gop = random_gop(3, height, width)
    preprocessing = Preprocessing(size=size, short_side=short_side, steps=2, motion_limit=15)
    clip = make_clip(gop, preprocessing, 0)
    assert clip.motion.shape == (2, 2, size, size)
    assert clip.residual.shape == (2, 3, size, size)
    assert clip.iframe.shape == (3, size, size)
    ratio = Fraction(short_side, min(height, width))
    new_height, new_width = (int(length * ratio + Fraction(1, 2)) for length in (height, width))
    for y in range(size):
        for x in range(size):
            # The pixel of the old picture under the centre of this pixel of the new one.
            from_y = int((y + (new_height - size) // 2 + Fraction(1, 2)) * height / new_height)
            from_x = int((x + (new_width - size) // 2 + Fraction(1, 2)) * width / new_width)
            assert clip.iframe[:, y, x].tolist() == gop.iframe[from_y, from_x].tolist()
            for t in range(2):
                for c in range(3):
                    assert clip.residual[t, c, y, x] == max(-127, min(127, int(gop.residual[t, from_y, from_x, c])))
                for c in range(2):
                    moved = truncated(int(gop.motion[t, from_y, from_x, c]) * ratio)
                    assert clip.motion[t, c, y, x] == truncated(Fraction(max(-15, min(15, moved)) * 127, 15))


@pytest.mark.parametrize(("short_side", "limit"), [(16, 20), (11, 20), (40, 3)])
def test_motion_in_fractions_of_a_pixel_is_rounded_once(short_side: int, limit: int) -> None:
    rng = np.random.default_rng(8)
    motion = rng.integers(-300, 301, (2, 16, 16, 2)) / np.float32(8)
    motion[0, 0, 0] = 30000, -30000  # far out of any picture
    gop = replace(random_gop(2, 16, 16), motion=motion)
    clip = make_clip(gop, Preprocessing(size=short_side, short_side=short_side, steps=2, motion_limit=limit), 0)
    assert clip.motion.dtype == np.int8
    for y in range(short_side):
        for x in range(short_side):
            from_y, from_x = (2 * y + 1) * 16 // (2 * short_side), (2 * x + 1) * 16 // (2 * short_side)
            for t, c in ((0, 0), (0, 1), (1, 0), (1, 1)):
                moved = Fraction(float(motion[t, from_y, from_x, c])) * Fraction(short_side, 16)
                share = max(Fraction(-limit), min(Fraction(limit), moved)) * 127 / limit
                rounded = int(abs(share) + Fraction(1, 2)) * (1 if share > 0 else -1)
                assert clip.motion[t, c, y, x] == rounded


@pytest.mark.parametrize("accumulate", [True, False])
@pytest.mark.parametrize("subpel", ["trunc", "float"])
def test_clips_are_made_of_what_the_reader_was_asked_for(mpeg4_video: Path, accumulate: bool, subpel: str) -> None:
    preprocessing = Preprocessing(70, 70, steps=5, triplets=1, motion_limit=4, accumulate=accumulate, subpel=subpel)
    clip = next(sample_clips(mpeg4_video, preprocessing))
    gop = next(read_gops(mpeg4_video, gops=[clip.gop], max_p=5, accumulate=accumulate, subpel=subpel))
    crop = (slice(None), slice(None), slice(10, 80))
    np.testing.assert_array_equal(clip.residual, gop.residual[crop].transpose(0, 3, 1, 2).clip(-127, 127))
    share = gop.motion[crop].transpose(0, 3, 1, 2).clip(-4, 4) * (127 / 4)
    whole = np.trunc(share) if subpel == "trunc" else np.sign(share) * np.floor(abs(share) + 0.5)
    np.testing.assert_array_equal(clip.motion, whole)
    assert clip.motion.any()


def test_gop_with_too_few_p_frames() -> None:
    with pytest.raises(VideoError, match="GOP 6: 3 P-frames decoded but a clip takes 11"):
        make_clip(random_gop(3, 16, 16), Preprocessing(size=16, short_side=16), 6)


def test_clips_of_a_file(mpeg4_video: Path) -> None:
    preprocessing = Preprocessing(size=56, short_side=70, steps=5, triplets=2)
    gops = list(read_gops(mpeg4_video))  # of 12, 12, 12 and 4 frames: three are full
    clips = list(sample_clips(mpeg4_video, preprocessing))
    assert [clip.gop for clip in clips] == [0, 2]
    for clip in clips:
        crop = (slice(7, 63), slice(17, 73))
        np.testing.assert_array_equal(clip.iframe, gops[clip.gop].iframe[crop].transpose(2, 0, 1))
        residual = gops[clip.gop].residual[:5, *crop].transpose(0, 3, 1, 2)
        np.testing.assert_array_equal(clip.residual, residual.clip(-127, 127))
        motion = gops[clip.gop].motion[:5, *crop].transpose(0, 3, 1, 2).astype(int).clip(-20, 20)
        np.testing.assert_array_equal(clip.motion, np.sign(motion) * (abs(motion) * 127 // 20))


def test_fewer_full_gops_than_triplets(mpeg4_video: Path) -> None:
    assert [clip.gop for clip in sample_clips(mpeg4_video, Preprocessing(size=64, short_side=64))] == [0, 1, 2]


def test_clips_are_lazy(mpeg4_video: Path) -> None:
    clips = sample_clips(mpeg4_video, Preprocessing(size=64, short_side=64))
    assert iter(clips) is clips
    assert next(clips).gop == 0


def test_video_too_short(moving_texture: Frames, write_video: Write) -> None:
    path = write_video("short.avi", moving_texture(9, 48, 64), gop=5)
    with pytest.raises(VideoError, match="12 frames of one GOP and the longest GOP has 5") as caught:
        list(sample_clips(path, Preprocessing(size=32, short_side=48)))
    assert str(caught.value).startswith(f"{path}: too short")
    assert str(caught.value).endswith("hybridnet prepare VIDEO -o CACHE --gop 12")


def test_frames_lost_in_a_chosen_gop(mpeg4_video: Path, tmp_path: Path) -> None:
    preprocessing = Preprocessing(size=64, short_side=64)
    data = mpeg4_video.read_bytes()
    marker = b"\x00\x00\x01\xb6"  # the start code of a picture
    places = [i for i in range(len(data)) if data.startswith(marker, i)]
    assert len(places) == 40
    path = tmp_path / "lost.avi"
    path.write_bytes(data[: places[3]] + bytes(4) + data[places[3] + 4 :])
    with pytest.raises(TranscodeNeeded) as caught:
        list(sample_clips(path, preprocessing))
    assert str(caught.value) == (
        f"{path}: GOP 0 is damaged, 10 P-frames decoded but a clip takes 11; transcode it: hybridnet prepare VIDEO -o "
        "CACHE"
    )


def test_codec_without_vectors_is_named_before_its_length(moving_texture: Frames, write_video: Write) -> None:
    path = write_video("a.webm", moving_texture(2, 64, 64), "libvpx-vp9")
    with pytest.raises(VideoError, match="codec vp9"):
        list(sample_clips(path, Preprocessing(size=32, short_side=48)))


def test_preprocessing_round_trips_through_json() -> None:
    preprocessing = Preprocessing(size=224, short_side=256)
    usual = {"steps": 11, "triplets": 8, "motion_limit": 20, "accumulate": True, "subpel": "trunc"}
    assert asdict(preprocessing) == {"size": 224, "short_side": 256} | usual
    assert Preprocessing(**json.loads(json.dumps(asdict(preprocessing)))) == preprocessing


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 0}, "size 0"),
        ({"size": 65}, "size 65 does not fit"),
        ({"steps": 0}, "steps 0"),
        ({"triplets": -1}, "triplets -1"),
        ({"motion_limit": 20.5}, "motion_limit 20.5"),
        ({"short_side": "64"}, "short_side '64'"),
        ({"steps": True}, "steps True"),
        ({"accumulate": 1}, "accumulate 1 must be true or false"),
        ({"subpel": "half"}, "subpel 'half' is not one of trunc, float"),
    ],
)
def test_preprocessing_refuses(changes: dict, message: str) -> None:
    with pytest.raises(VideoError, match=message):
        Preprocessing(**{"size": 64, "short_side": 64, **changes})
