"""`hybridnet inspect VIDEO --png FILE`: the picture of real files, and its errors."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from command import Command, Done, assert_one_line
from deploy.pictures.sheet import new_sheet
from deploy.pictures.video import draw_gops, motion_colours, motion_limit, residual_colours
from hybridnet.errors import VideoError
from hybridnet.video import Recipe, transcode

STEADY = {"g": "12", "bf": "0", "sc_threshold": "1000000000", "qmin": "2", "qmax": "2"}  # no scene cuts, fine detail


@pytest.fixture
def inspect(hybridnet: Command) -> Command:
    """`hybridnet inspect` with these arguments: exit code, stdout, stderr."""
    return partial(hybridnet, "inspect")


def encode(path: Path, codec: str, frames: int, **options: str) -> Path:
    """A panning texture, 64x48."""
    picture = np.random.default_rng(0).integers(0, 256, (48, 128, 3), dtype=np.uint8)
    return encode_frames(path, codec, [picture[:, i % 32 : i % 32 + 64] for i in range(frames)], **options)


def encode_frames(path: Path, codec: str, frames: list[np.ndarray], **options: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=24, options=options)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")))
        container.mux(stream.encode())
    return path


def decode(path: Path) -> np.ndarray:
    """Every frame of a video, int16 (T,H,W,3) RGB."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]).astype(np.int16)


# Where a 64x48 video stands in its picture, enlarged four times: raw and accumulated motion, raw and accumulated
# residual at P1, P4, P8 and P11, the I-frame on the left; the next GOP is 866 pixels further down.
ROWS = (124, 322, 532, 730)
COLUMNS = (370, 632, 894, 1156)
I_FRAME = (124, 16)
NEXT_GOP = 866


def panel(picture: np.ndarray, y: int, x: int) -> np.ndarray:
    """The 64x48 pixels drawn from (x,y) on."""
    enlarged = picture[y : y + 192, x : x + 256]
    pixels = enlarged[::4, ::4]
    np.testing.assert_array_equal(enlarged, pixels.repeat(4, axis=0).repeat(4, axis=1))
    return pixels


def test_picture(inspect: Command, clip: Path, tmp_path: Path) -> None:
    code, out, _ = inspect(clip, "--png", tmp_path / "gop.png", "--gop", 1)
    assert code == 0
    assert "gop.png: GOP 1\n" in out
    assert (tmp_path / "gop.png").read_bytes().startswith(b"\x89PNG")
    # five columns and four rows of 256 pixels, and room for words
    height, width = decode(tmp_path / "gop.png").shape[1:3]
    assert 5 * 256 < width < 1500
    assert 4 * 256 < height < 1250
    assert os.listdir(tmp_path) == ["gop.png"]


def test_first_full_gop_is_drawn(clip: Path, tmp_path: Path) -> None:
    assert draw_gops(clip, tmp_path / "a.png") == [0]


def test_raw_residual_above_accumulated_where_nothing_moves(tmp_path: Path) -> None:
    # a still texture whose light flickers: the residuals are plain differences of frames
    texture = np.random.default_rng(0).integers(60, 120, (48, 64, 3))
    light = np.random.default_rng(1).integers(0, 60, 24)
    frames = [(texture + level).astype(np.uint8) for level in light]
    video = encode_frames(tmp_path / "still.avi", "mpeg4", frames, **STEADY)
    assert draw_gops(video, tmp_path / "a.png", gops=[1, 0, 1]) == [0, 1]
    picture, shown = decode(tmp_path / "a.png")[0], decode(video)
    for start, down in ((0, 0), (12, NEXT_GOP)):
        np.testing.assert_array_equal(panel(picture, I_FRAME[0] + down, I_FRAME[1]), shown[start])
        for position, x in zip((1, 4, 8, 11), COLUMNS, strict=True):
            raw_motion, motion, raw, accumulated = (panel(picture, y + down, x) for y in ROWS)
            assert (raw_motion == 255).all()
            assert (motion == 255).all()
            frame = shown[start + position]
            np.testing.assert_array_equal(raw, (128 + 2 * (frame - shown[start + position - 1])).clip(0, 255))
            np.testing.assert_array_equal(accumulated, (128 + 2 * (frame - shown[start])).clip(0, 255))


def test_raw_motion_above_accumulated_in_a_pan(tmp_path: Path) -> None:
    # the picture moves a pixel to the left each frame: cyan, of full colour at 11 pixels, which P11 has nearly all over
    video = encode(tmp_path / "pan.avi", "mpeg4", 12, **STEADY)
    draw_gops(video, tmp_path / "a.png")
    picture = decode(tmp_path / "a.png")[0]
    for x, red in zip(COLUMNS, (178, 101, 38, 0), strict=True):  # 255 * (1 - sqrt(length / 11)), rounded
        raw_motion, motion = (panel(picture, y, x) for y in ROWS[:2])
        assert raw_motion[24, 32].tolist() == [178, 255, 255]
        assert motion[24, 32].tolist() == [red, 255, 255]


@pytest.mark.parametrize(
    ("motion", "limit", "colour"),
    [
        ((0, 0), 20, (255, 255, 255)),
        ((20, 0), 20, (255, 0, 0)),
        ((-30, 0), 20, (0, 255, 255)),
        ((5, 0), 20, (255, 128, 128)),  # half saturation: 127.5, rounded to even
        ((9, 0), 25, (255, 102, 102)),  # saturation 3/5
        ((-1, 0), 4, (128, 255, 255)),
    ],
)
def test_colours_of_motion_by_hand(motion: tuple[int, int], limit: int, colour: tuple[int, int, int]) -> None:
    assert motion_colours(np.array([[motion]], np.int16), limit)[0, 0].tolist() == list(colour)


@pytest.mark.parametrize(
    ("fast", "motion", "limit"),
    [
        (3, (6, 8), 10),
        (3, (-7, 7), 10),  # 9.9, rounded up
        (1, (300, 400), 4),  # one pixel in a hundred may be faster
        (2, (300, 400), 500),
        (3, (1, 1), 4),  # at least 4
    ],
)
def test_limit_of_motion_by_hand(fast: int, motion: tuple[int, int], limit: int) -> None:
    still, moving = np.zeros((100 - fast, 2), np.int16), np.full((fast, 2), motion, np.int16)
    assert motion_limit([still, moving]) == limit


def test_colours_of_residual_by_hand() -> None:
    assert residual_colours(np.array([[[0, -10, 255]]], np.int16)).tolist() == [[[128, 108, 255]]]


def test_errors(inspect: Command, tiny_bundle: Path, clip: Path, tmp_path: Path) -> None:
    png = tmp_path / "a.png"
    assert_one_line(inspect(tiny_bundle, "--png", png), "tiny.bundle", "only a video")
    assert_one_line(inspect(tiny_bundle / "motion.net", "--png", png), "motion.net", "only a video")
    assert_one_line(inspect(clip, "--png", tmp_path / "none" / "a.png"), "a.png", "cannot be written")
    assert_one_line(inspect(clip, "--png", png, "--gop", 9), "GOP 9", "last one is 2")
    assert_one_line(inspect(clip, "--png", png, "--gop", 0, "--gop", 9), "GOP 9", "last one is 2")
    many = [word for index in range(9) for word in ("--gop", index)]
    assert_one_line(inspect(clip, "--png", png, *many), "9 GOPs", "at most 8")
    assert_one_line(inspect(clip, "--png", tmp_path), tmp_path.name, "is a folder")
    assert inspect(clip, "--png", png, "--gop", -1)[0] == 2
    assert_one_line(inspect(clip, "--gop", 1), "--png")
    (tmp_path / "noise.avi").write_bytes(np.random.default_rng(0).bytes(4000))
    assert_one_line(inspect(tmp_path / "noise.avi", "--png", png), "noise.avi")
    assert_one_line(inspect(tmp_path / "none.avi"), "none.avi")
    assert os.listdir(tmp_path) == ["noise.avi"]


def test_gop_without_p_frames(tmp_path: Path) -> None:
    video = encode(tmp_path / "intra.avi", "mpeg4", 3, g="1", bf="0")
    with pytest.raises(VideoError, match="no P-frame to draw"):
        draw_gops(video, tmp_path / "a.png")


def test_several_gops_are_named_in_order(inspect: Command, clip: Path, tmp_path: Path) -> None:
    png = tmp_path / "a.png"
    assert "a.png: GOPs 0, 2\n" in inspect(clip, "--png", png, "--gop", 2, "--gop", 0, "--gop", 2)[1]
    facts = json.loads(inspect(clip, "--png", png, "--gop", 1, "--json")[1])
    assert (facts["png"], facts["gops"]) == (str(png), [1])


@pytest.mark.parametrize(
    ("codec", "options", "cause"),
    [
        ("libx264", {"g": "12", "bf": "0", "refs": "3"}, "its P-frames may refer to any of 3 pictures"),
        ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}, "vp9 exports no motion vectors"),
        ("mpeg4", {"g": "12", "bf": "2"}, "has B-frames"),
    ],
)
def test_what_cannot_be_read_is_drawn_transcoded(
    inspect: Command, tmp_path: Path, codec: str, options: dict[str, str], cause: str
) -> None:
    """Facts are the file's own; the picture is, pixel for pixel, that of what `prepare` makes of the file."""
    video = encode(tmp_path / "v.mkv", codec, 26, **options)
    code, out, err = inspect(video, "--png", tmp_path / "a.png", "--gop", 1)
    assert code == 0
    assert "must be transcoded" in out
    assert out.endswith("a.png: GOP 1 of the transcoded copy\n")
    assert err.count("v.mkv: transcoded in memory to MPEG-4, 340x256, GOP 12 (") == 1
    assert cause in err
    prepared = tmp_path / "v.avi"
    transcode(video, prepared, Recipe())
    draw_gops(prepared, tmp_path / "b.png", gops=[1], name="v.mkv, transcoded copy")
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), decode(tmp_path / "b.png"))
    facts = json.loads(inspect(prepared, "--png", tmp_path / "a.png", "--json")[1])
    assert facts["transcoded"] is False


@pytest.mark.parametrize(("height", "width"), [(240, 16), (16, 240), (600, 400)])
def test_odd_shapes_and_names(tmp_path: Path, height: int, width: int) -> None:
    texture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    video = encode_frames(tmp_path / "$a_{b\n\u6f22.avi", "mpeg4", [texture, texture])
    assert draw_gops(video, tmp_path / "a.png") == [0]
    assert max(decode(tmp_path / "a.png").shape[1:3]) < 1300


def test_without_matplotlib(clip: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nsys.modules['matplotlib'] = None\nsys.argv[0] = 'hybridnet'\nfrom deploy.cli import main\nmain()"
    )
    words = [sys.executable, "-c", code, "inspect", str(clip)]
    assert subprocess.run(words, capture_output=True, check=False).returncode == 0
    done = subprocess.run([*words, "--png", str(tmp_path / "a.png")], capture_output=True, text=True, check=False)
    assert_one_line(Done(done.returncode, done.stdout, done.stderr), "pip install 'hybridnet[report]'")
    assert os.listdir(tmp_path) == []


def test_no_line_is_lost_where_a_picture_shrinks(tmp_path: Path) -> None:
    lines = np.full((40, 340, 3), 255, np.uint8)
    lines[:, 5::10] = 0
    sheet = new_sheet(260, 40)
    sheet.image(2, 2, 256, 36, lines)
    sheet.save(tmp_path / "a.png")
    dark = decode(tmp_path / "a.png")[0, 20, 2:-2, 0] < 160
    assert np.count_nonzero(np.diff(dark.astype(int)) == 1) == 34
