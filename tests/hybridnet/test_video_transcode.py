"""`transcode` on real files of every kind: the frames are the source's, the structure is what the reader needs."""

import io
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from hybridnet.errors import OutputError, VideoError
from hybridnet.video import Damage, Recipe, Survey, probe, read_gops, transcode
from transcoding import BT601, BT709, FULL, LIMITED, LUMA, SIZE, decode, difference, encode, refusal, smooth, transcoded

Frames = Callable[..., list[np.ndarray]]
Write = Callable[..., Path]
KINDS = {
    "VP9": ("a.webm", "libvpx-vp9", "yuv420p", {"options": {"deadline": "realtime", "cpu-used": "8", "crf": "10"}}),
    "HEVC": ("a.mp4", "libx265", "yuv420p", {"options": {"x265-params": "log-level=none:crf=10"}, "b_frames": 3}),
    "HEVC in 10 bits": ("a.mp4", "libx265", "yuv420p10le", {"options": {"x265-params": "log-level=none:crf=10"}}),
    "H.264 in 10 bits": ("a.mp4", "libx264", "yuv420p10le", {}),
    "H.264 with B-frames": ("a.mp4", "libx264", "yuv420p", {"b_frames": 3}),
    "MPEG-4 with B-frames": ("a.avi", "mpeg4", "yuv420p", {"b_frames": 2, "options": {"qmax": "3"}}),
    "4:2:2": ("a.mp4", "libx264", "yuv422p", {}),
    "4:4:4": ("a.mp4", "libx264", "yuv444p", {}),
    "MPEG-2": ("a.ts", "mpeg2video", "yuv420p", {"b_frames": 2, "options": {"qmax": "3"}}),
    "full range": ("a.avi", "mjpeg", "yuvj420p", {"colour": (BT601, FULL), "options": {"qmax": "3"}}),
    "BT.709": ("a.mp4", "libx264", "yuv420p", {"colour": (BT709, LIMITED)}),
    "BT.709 in full range": ("a.mp4", "libx264", "yuv444p10le", {"colour": (BT709, FULL)}),
    "RGB with transparency": ("a.mkv", "ffv1", "bgra", {}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_of_every_kind_once_and_in_order(kind: str, tmp_path: Path) -> None:
    name, codec, pix_fmt, more = KINDS[kind]
    frames = smooth(27)
    target = transcoded(encode(tmp_path / name, frames, codec, pix_fmt, **more))
    info = probe(target)
    assert (info.codec, info.width, info.height, info.gop_lengths) == ("mpeg4", 64, 48, (12, 12, 3))
    found = decode(target)
    assert len(found) == 27
    for t, pixels in enumerate(found):
        assert difference(pixels, frames[t]) < 5
        assert min(range(27), key=lambda k: difference(pixels, frames[k])) == t


def test_gray(tmp_path: Path) -> None:
    frames = smooth(3)
    source = encode(tmp_path / "a.mkv", frames, "ffv1", "gray", colour=(BT601, FULL))
    for pixels, frame in zip(decode(transcoded(source)), frames, strict=True):
        assert difference(pixels, (frame @ LUMA)[..., None]) < 4


def test_odd_sizes(tmp_path: Path) -> None:
    frames = smooth(13, 47, 63)
    source = encode(tmp_path / "odd.webm", frames, "libvpx-vp9", options={"deadline": "realtime", "crf": "10"})
    target = transcoded(source, Recipe(width=63, height=47, quality=2))
    assert (probe(target).width, probe(target).height, probe(target).gop_lengths) == (63, 47, (12, 1))
    for pixels, frame in zip(decode(target), frames, strict=True):
        assert difference(pixels, frame) < 5


def test_scaled_to_the_recipe_without_keeping_the_aspect(tmp_path: Path) -> None:
    y, x = np.mgrid[:48, :64]
    ramp = np.stack([40 + 2 * x, 60 + 3 * y, 0 * x + 100], -1).astype(np.uint8)
    (pixels,) = decode(transcoded(encode(tmp_path / "a.mkv", [ramp], "ffv1", "bgra"), Recipe(quality=1)))
    assert pixels.shape == (256, 340, 3)
    at_y, at_x = (np.arange(256) + 0.5) * 48 / 256 - 0.5, (np.arange(340) + 0.5) * 64 / 340 - 0.5
    wanted = np.stack(np.broadcast_arrays(40 + 2 * at_x, 60 + 3 * at_y[:, None], 100.0), -1)
    assert difference(pixels[16:-16, 16:-16], wanted[16:-16, 16:-16]) < 2


def show_through(matrix: tuple[float, ...], source: Path, target: Path) -> Path:
    """Copy an MP4 with (a, b, c, d) as its display matrix: (x,y) is shown at (a * x + c * y, b * x + d * y)."""
    data = bytearray(source.read_bytes())
    one, none = (0x10000).to_bytes(4, "big"), bytes(12)
    start = data.index(one + none + one + none + (0x40000000).to_bytes(4, "big"), data.index(b"tkhd"))
    a, b, c, d = (round(value * 0x10000) for value in matrix)
    values = (a, b, 0, c, d, 0, 0, 0, 0x40000000)
    data[start : start + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in values)
    target.write_bytes(data)
    return target


@pytest.mark.parametrize(
    ("matrix", "turns"),
    [((1, 0, 0, 1), 0), ((0, 1, -1, 0), 3), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 1)],
    ids=["upright", "clockwise", "upside down", "counterclockwise"],
)
def test_rotation_is_applied(matrix: tuple[float, ...], turns: int, tmp_path: Path) -> None:
    source = show_through(matrix, encode(tmp_path / "a.mp4", smooth(3), "libx264"), tmp_path / "turned.mp4")
    plain = decode(source)
    height, width = np.rot90(plain[0], turns).shape[:2]
    for pixels, frame in zip(decode(transcoded(source, Recipe(width, height, quality=2))), plain, strict=True):
        assert difference(pixels, np.rot90(frame, turns)) < 4
        assert difference(pixels, np.rot90(frame, turns + 2)) > 20


@pytest.mark.parametrize("matrix", [(-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0)])
def test_mirrors_are_applied(matrix: tuple[int, ...], tmp_path: Path) -> None:
    source = show_through(matrix, encode(tmp_path / "a.mp4", smooth(1), "libx264"), tmp_path / "mirrored.mp4")
    a, b, c, d = matrix
    (plain,) = decode(source)
    y, x = np.mgrid[:48, :64]
    at_x, at_y = a * x + c * y, b * x + d * y
    wanted = np.zeros((np.ptp(at_y) + 1, np.ptp(at_x) + 1, 3))
    wanted[at_y - at_y.min(), at_x - at_x.min()] = plain
    (pixels,) = decode(transcoded(source, Recipe(wanted.shape[1], wanted.shape[0], quality=2)))
    assert difference(pixels, wanted) < 4


def test_other_angles_are_refused(tmp_path: Path) -> None:
    source = encode(tmp_path / "a.mp4", smooth(1), "libx264")
    for matrix in ((0.8, 0.6, -0.6, 0.8), (0.0, 0.0, 0.0, 0.0)):
        turned = show_through(matrix, source, tmp_path / "turned.mp4")
        with pytest.raises(VideoError, match="quarter turns"):
            transcode(turned, io.BytesIO(), SIZE)
    assert "quarter turns" in refusal(turned, tmp_path)


def test_variable_frame_rate_keeps_every_frame(tmp_path: Path) -> None:
    times = [0, 10, 20, 200, 240, 1000, 1001, 1400, 1500, 1990, 2000, 2100, 3000]
    frames = smooth(len(times))
    source = encode(tmp_path / "a.mkv", frames, "libx264", times=times)
    target = transcoded(source)
    for pixels, frame in zip(decode(target), frames, strict=True):
        assert difference(pixels, frame) < 5
    target.seek(0)
    with av.open(target) as container:
        assert [frame.pts for frame in container.decode(video=0)] == list(range(13))


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(1234567, 98765), Fraction(1, 50), Fraction(90000)])
def test_any_frame_rate(rate: Fraction, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for pixels in smooth(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    assert probe(transcoded(tmp_path / "a.mkv")).packets == 3


def test_one_frame(tmp_path: Path) -> None:
    assert probe(transcoded(encode(tmp_path / "a.mp4", smooth(1), "libx264"))).gop_lengths == (1,)


def test_scene_cuts_and_the_sources_key_frames_start_no_gop(moving_texture: Frames, write_video: Write) -> None:
    frames = [*moving_texture(8, 48, 64), *moving_texture(8, 48, 64, seed=9), *moving_texture(8, 48, 64, seed=5)]
    source = write_video("cuts.avi", frames, gop=5)
    for gop in (2, 7, 12):
        target = transcoded(source, Recipe(64, 48, gop))
        assert set(probe(target).gop_lengths[:-1]) == {gop}
        assert sum(len(found.motion) + 1 for found in read_gops(target)) == 24


def test_size_changes_in_the_middle(tmp_path: Path) -> None:
    small, large = smooth(6), smooth(6, 96, 128)
    parts = [encode(tmp_path / f"{k}.h264", frames, "libx264") for k, frames in enumerate((small, large))]
    source = tmp_path / "two_sizes.h264"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    found = decode(transcoded(source))
    for pixels, frame in zip(found, [*small, *(frame[::2, ::2] for frame in large)], strict=True):
        assert difference(pixels, frame) < 6


def test_path_and_file_object_hold_the_same_bytes(mpeg4_video: Path, tmp_path: Path) -> None:
    target = tmp_path / "a.avi"
    found = transcode(io.BytesIO(mpeg4_video.read_bytes()), target, SIZE, comment="of a test")
    memory = io.BytesIO()
    assert transcode(mpeg4_video, memory, SIZE, comment="of a test") == found == Survey("mpeg4", 40, 40, Damage())
    assert target.read_bytes() == memory.getvalue()
    with av.open(str(target)) as container:
        assert container.metadata["comment"] == "of a test"
    assert os.listdir(tmp_path) == ["a.avi"]


@pytest.mark.parametrize("target", [7, io.StringIO(), io.BufferedReader(io.BytesIO())], ids=lambda t: type(t).__name__)
def test_targets_that_are_none(target: object, mpeg4_video: Path) -> None:
    with pytest.raises(OutputError, match="is neither a path nor a seekable file open for writing bytes") as caught:
        transcode(mpeg4_video, target, SIZE)
    assert "\n" not in str(caught.value)


def test_quality_is_the_quantiser(mpeg4_video: Path) -> None:
    sizes = [len(transcoded(mpeg4_video, Recipe(64, 48, quality=quality)).getvalue()) for quality in (1, 2, 5, 12, 31)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 5


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("width", 15), ("width", 8192), ("height", 0), ("gop", 1), ("gop", 601), ("quality", 0), ("quality", 32)),
        *(("gop", 12.0), ("quality", True), ("width", "340")),
    ],
)
def test_recipe_out_of_range(field: str, value: object) -> None:
    with pytest.raises(VideoError, match=f"recipe: {field} {value!r} must be an integer of"):
        Recipe(**{field: value})


@pytest.mark.parametrize("recipe", [Recipe(16, 16, 2, 31), Recipe(17, 19, 600, 1)])
def test_recipe_at_its_limits(recipe: Recipe, mpeg4_video: Path) -> None:
    info = probe(transcoded(mpeg4_video, recipe))
    assert (info.width, info.height, info.packets) == (recipe.width, recipe.height, 40)
    assert info.gop_lengths[0] == min(recipe.gop, 40)
