"""Residuals straight from a frame's planes, against swscale's pictures: wherever they are taken, not a bit differs."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from llvmlite.binding import get_host_cpu_features

from hybridnet.video import read_gops
from hybridnet.video.colour import convert, exact_planes, planes_of

Frames = Callable[..., list[np.ndarray]]
Write = Callable[..., Path]


def frame_of(y: np.ndarray, u: np.ndarray, v: np.ndarray) -> av.VideoFrame:
    frame = av.VideoFrame(y.shape[1], y.shape[0], "yuv420p")
    for plane, values in zip(frame.planes, (y, u, v), strict=True):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        rows[: values.shape[0], : values.shape[1]] = values
    return frame


def picture_of(frame: av.VideoFrame) -> np.ndarray:
    """uint8 (H,3 * W), by swscale."""
    rgb = VideoReformatter().reformat(frame, format="rgb24", threads=1)
    rows = np.frombuffer(memoryview(rgb.planes[0]), np.uint8).reshape(frame.height, -1)
    return rows[:, : 3 * frame.width].copy()


def converted(frame: av.VideoFrame) -> np.ndarray:
    """The same, by the kernel that residuals are made with."""
    picture, copy = (np.full((frame.height, 3 * frame.width), 77, np.uint8) for _ in range(2))
    convert(*planes_of(frame), picture, copy)
    assert np.array_equal(picture, copy)
    return picture


def test_every_colour_there_is() -> None:
    """All 2^24: each pair of u and v is a square of four pixels, whose y are four of the 256 in turn."""
    u, v = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    four = np.tile(np.array([[0, 1], [2, 3]], np.uint8), (256, 256))
    for y in range(0, 256, 4):
        frame = frame_of(four + np.uint8(y), u, v)
        assert np.array_equal(converted(frame), picture_of(frame)), y


@pytest.mark.parametrize(("height", "width"), [(2, 32), (16, 34), (70, 90), (62, 126), (256, 340)])
def test_sizes(height: int, width: int) -> None:
    rng = np.random.default_rng(width)
    shapes = ((height, width), *[(height // 2, width // 2)] * 2)
    frame = frame_of(*(rng.integers(0, 256, shape, np.uint8) for shape in shapes))
    assert exact_planes(frame) is not None
    np.testing.assert_array_equal(converted(frame), picture_of(frame))


@pytest.mark.parametrize("features", ["", "+avx2", "+avx512bw,+avx512vl", "+avx2,+avx512bw,+avx512vl,+avx512vbmi"])
def test_on_processors_that_can_do_less(features: str, tmp_path: Path) -> None:
    host = get_host_cpu_features()
    if not all(host.get(feature[1:]) for feature in features.split(",") if feature):
        pytest.skip("this processor cannot do that")
    script = """
import av
from hybridnet.video.colour import exact_planes
assert exact_planes(av.VideoFrame(98, 70, "yuv420p")) is not None, "swscale makes other colours of noise"
"""
    chosen = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": features, "NUMBA_CACHE_DIR": str(tmp_path)}
    result = subprocess.run([sys.executable, "-c", script], env=os.environ | chosen, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_frames_of_another_kind_are_left_to_swscale() -> None:
    for width, height, kind in ((90, 71, "yuv420p"), (91, 70, "yuv420p"), (30, 70, "yuv420p"), (90, 70, "yuv422p")):
        assert exact_planes(av.VideoFrame(width, height, kind)) is None
    frame = frame_of(*(np.full(shape, value, np.uint8) for shape, value in (((70, 90), 16), *[((35, 45), 128)] * 2)))
    assert exact_planes(frame) is not None
    frame.colorspace = 1  # BT.709, of which black is the same
    assert exact_planes(frame) is None


@pytest.mark.parametrize(
    ("codec", "pixel_format", "options"),
    [
        ("mpeg4", "yuv420p", {}),
        ("libx264", "yuv420p", {"x264-params": "colormatrix=bt709"}),
        ("libx264", "yuv420p", {"x264-params": "fullrange=on"}),
        ("libx264", "yuvj420p", {}),
        ("libx264", "yuv444p", {}),
        ("mpeg2video", "yuv422p", {}),
    ],
)
@pytest.mark.parametrize(("height", "width"), [(64, 96), (70, 90), (48, 28)])
def test_residual_is_the_frame_less_the_traced_iframe(
    codec: str,
    pixel_format: str,
    options: dict[str, str],
    height: int,
    width: int,
    moving_texture: Frames,
    write_video: Write,
) -> None:
    name = "video.mpg" if codec == "mpeg2video" else "video.mp4"
    path = write_video(name, moving_texture(9, height, width), codec, gop=9, options=options, pixel_format=pixel_format)
    with av.open(str(path)) as container:
        pictures = [picture_of(frame).reshape(height, width, 3) for frame in container.decode(video=0)]
    (gop,) = read_gops(path)
    (sixth,) = read_gops(path, positions=[6])
    np.testing.assert_array_equal(sixth.residual[0], gop.residual[5])
    np.testing.assert_array_equal(gop.iframe, pictures[0])
    y, x = np.indices((height, width))
    for motion, residual, picture in zip(gop.motion, gop.residual, pictures[1:], strict=True):
        traced = gop.iframe[y - motion[..., 1], x - motion[..., 0]]
        np.testing.assert_array_equal(residual, picture.astype(np.int16) - traced)
