"""Accumulated motion and residual, against a per-pixel reading of the definition on raw PyAV side data."""

from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path

import av
import numpy as np
import pytest

from hybridnet.video import read_gops


def toward_zero(numerator: int, denominator: int) -> int:
    quotient = abs(numerator) // denominator
    return quotient if numerator >= 0 else -quotient


def decoded_frames(path: Path, **options: str) -> Iterator[av.VideoFrame]:
    """Every frame of the file, decoded in one go with the decoder's options.

    A decoder with delay exports vectors only with a frame that a later packet pushes out, so the first one comes again.
    """
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.options = {"flags2": "+export_mvs", **options}
        stream.codec_context.thread_type = "NONE"
        packets = [packet for packet in container.demux(stream) if packet.size]
        frames = chain.from_iterable(map(stream.codec_context.decode, [*packets, packets[0], None]))
        yield from islice(frames, len(packets))


def reference(path: Path) -> Iterator[dict]:
    """Every frame of the file: key, and RGB picture, D, R and intra share by loops over blocks and pixels."""
    for frame in decoded_frames(path):
        picture = frame.to_ndarray(format="rgb24")
        height, width = picture.shape[:2]
        if frame.key_frame:
            iframe = picture
            j = {(x, y): (x, y) for y in range(height) for x in range(width)}
        before, covered = dict(j), set()
        for vector in frame.side_data.get("MOTION_VECTORS") or ():
            shift_x = toward_zero(vector.motion_x, vector.motion_scale)
            shift_y = toward_zero(vector.motion_y, vector.motion_scale)
            for y in range(vector.dst_y - vector.h // 2, vector.dst_y + vector.h // 2):
                for x in range(vector.dst_x - vector.w // 2, vector.dst_x + vector.w // 2):
                    if 0 <= x < width and 0 <= y < height:
                        covered.add((x, y))
                        inside = 0 <= x + shift_x < width and 0 <= y + shift_y < height
                        j[x, y] = before[x + shift_x, y + shift_y] if inside else before[x, y]
        motion = np.zeros((height, width, 2), int)
        residual = np.zeros((height, width, 3), int)
        for (x, y), (from_x, from_y) in j.items():
            motion[y, x] = x - from_x, y - from_y
            residual[y, x] = picture[y, x].astype(int) - iframe[from_y, from_x]
        intra = 1 - len(covered) / (height * width)
        yield {"key": frame.key_frame, "picture": picture, "motion": motion, "residual": residual, "intra": intra}


def assert_equal(path: Path) -> dict[str, float]:
    """Compare the whole file; returns what it holds, for the caller to see that the comparison was not an empty one."""
    frames = list(reference(path))
    starts = [t for t, frame in enumerate(frames) if frame["key"]]
    gops = list(read_gops(path))
    assert [gop.start for gop in gops] == starts
    for gop, start, end in zip(gops, starts, [*starts[1:], len(frames)], strict=True):
        expected = frames[start + 1 : end]
        assert gop.length == end - start
        assert not gop.corrupt
        assert gop.motion.dtype == gop.residual.dtype == np.int16
        np.testing.assert_array_equal(gop.iframe, frames[start]["picture"])
        np.testing.assert_array_equal(gop.positions, np.arange(1, end - start))
        assert len(gop.motion) == len(gop.residual) == len(expected)
        for t, frame in enumerate(expected):
            np.testing.assert_array_equal(gop.motion[t], frame["motion"])
            np.testing.assert_array_equal(gop.residual[t], frame["residual"])
            assert gop.intra_share[t] == pytest.approx(frame["intra"], abs=1e-6)
    return {
        "moved": np.mean([np.any(f["motion"], axis=-1).mean() for f in frames if not f["key"]]),
        "furthest": max(abs(f["motion"]).max() for f in frames),
        "intra": max(f["intra"] for f in frames if not f["key"]),
    }


def test_mpeg4_avi(mpeg4_video: Path) -> None:
    seen = assert_equal(mpeg4_video)
    assert seen["moved"] > 0.5
    assert seen["furthest"] > 8
    assert seen["intra"] > 0.02


def test_h264_without_b_frames(h264_video: Path) -> None:
    seen = assert_equal(h264_video)
    assert seen["moved"] > 0.5
    assert seen["furthest"] > 8
    assert seen["intra"] > 0


@pytest.mark.parametrize(("height", "width"), [(48, 64), (49, 75)])
def test_mpeg4_mp4_of_whole_and_of_odd_sizes(
    height: int, width: int, moving_texture: Callable[..., list[np.ndarray]], write_video: Callable[..., Path]
) -> None:
    seen = assert_equal(write_video("sizes.mp4", moving_texture(14, height, width)))
    assert seen["moved"] > 0.5


@pytest.mark.parametrize(
    ("codec", "name"), [("mpeg2video", "a.mpg"), ("flv", "a.flv"), ("msmpeg4", "a.avi"), ("wmv2", "a.avi")]
)
def test_other_codecs_with_vectors(
    codec: str, name: str, moving_texture: Callable[..., list[np.ndarray]], write_video: Callable[..., Path]
) -> None:
    seen = assert_equal(write_video(name, moving_texture(8, 48, 64), codec, gop=6))
    assert seen["moved"] > 0.3


def test_quarter_pixel_vectors_and_four_per_block(
    moving_texture: Callable[..., list[np.ndarray]], write_video: Callable[..., Path]
) -> None:
    options = {"flags": "+mv4+qpel+aic", "mbd": "rd"}
    seen = assert_equal(write_video("qpel.avi", moving_texture(10, 70, 90, seed=3), options=options))
    assert seen["moved"] > 0.5


@pytest.mark.parametrize("video", ["mpeg4_video", "h264_video"])
def test_raw_motion_and_residual_of_each_frame(video: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(video)
    pictures = [frame.to_ndarray(format="rgb24").astype(int) for frame in decoded_frames(path)]
    moved = 0
    for gop in read_gops(path, accumulate=False):
        for position, motion, residual in zip(gop.positions, gop.motion, gop.residual, strict=True):
            t = gop.start + position
            frame = next(islice(decoded_frames(path), int(t), None))
            height, width = motion.shape[:2]
            field, expected = np.zeros((height, width, 2), int), pictures[t] - pictures[t - 1]
            for vector in frame.side_data.get("MOTION_VECTORS") or ():
                shift_x, shift_y = vector.src_x - vector.dst_x, vector.src_y - vector.dst_y
                for y in range(max(vector.dst_y - vector.h // 2, 0), min(vector.dst_y + vector.h // 2, height)):
                    for x in range(max(vector.dst_x - vector.w // 2, 0), min(vector.dst_x + vector.w // 2, width)):
                        if 0 <= x + shift_x < width and 0 <= y + shift_y < height:
                            field[y, x] = -shift_x, -shift_y
                            expected[y, x] = pictures[t][y, x] - pictures[t - 1][y + shift_y, x + shift_x]
            np.testing.assert_array_equal(motion, field)
            np.testing.assert_array_equal(residual, expected)
            moved += np.count_nonzero(field)
    assert moved > 10000


def test_fractions_of_a_pixel_add_up(write_video: Callable[..., Path]) -> None:
    """A texture that moves by half a pixel a frame: truncated, it stands still."""
    rng = np.random.default_rng(4)
    fine = rng.integers(0, 256, (96, 400, 3)).astype(np.float32)
    for _ in range(6):
        fine = (fine + np.roll(fine, 1, 0) + np.roll(fine, 1, 1) + np.roll(fine, (1, 1), (0, 1))) / 4
    fine = (fine - fine.min()) * 255 / np.ptp(fine)
    frames = [fine[::2, 2 * 20 - t : 2 * 20 - t + 256 : 2].astype(np.uint8) for t in range(12)]
    path = write_video("half.avi", frames)
    (truncated,), (exact,) = read_gops(path), read_gops(path, subpel="float")
    assert truncated.motion.dtype == np.int16
    assert exact.motion.dtype == np.float32
    inside = np.s_[9, 8:-8, 16:-16, 0]
    assert np.median(exact.motion[inside]) == 10 * 0.5
    assert np.median(truncated.motion[inside]) == 0
    assert abs(exact.residual[inside]).mean() < abs(truncated.residual[inside]).mean() / 2
    np.testing.assert_array_equal(exact.iframe, truncated.iframe)
    np.testing.assert_array_equal(exact.intra_share, truncated.intra_share)


def test_residual_of_the_codec(mpeg4_video: Path) -> None:
    frames = zip(decoded_frames(mpeg4_video), decoded_frames(mpeg4_video, skip_idct="nokey"), strict=True)
    pictures, predicted = zip(*([frame.to_ndarray(format="rgb24") for frame in pair] for pair in frames), strict=True)
    whole = list(read_gops(mpeg4_video))
    for gop, pixel in zip(read_gops(mpeg4_video, residual="codec"), whole, strict=True):
        np.testing.assert_array_equal(gop.motion, pixel.motion)
        np.testing.assert_array_equal(gop.iframe, pixel.iframe)
        for position, residual in zip(gop.positions, gop.residual, strict=True):
            t = gop.start + position
            np.testing.assert_array_equal(residual, pictures[t].astype(int) - predicted[t])
        assert gop.residual.any()
        assert not np.array_equal(gop.residual, pixel.residual)
    for gop, all_of_it in zip(read_gops(mpeg4_video, residual="codec", positions=[3, 9]), whole, strict=True):
        np.testing.assert_array_equal(gop.motion, all_of_it.motion[[p - 1 for p in gop.positions]])
        assert len(gop.residual) == len(gop.motion)


def test_codec_residual_is_zero_where_a_block_is_new(write_video: Callable[..., Path]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 48, 64, 3), dtype=np.uint8)
    (gop,) = read_gops(write_video("noise.avi", list(noise)), residual="codec")
    assert list(gop.intra_share[1:]) == [1, 1, 1, 1]
    assert not gop.residual[1:].any()


def test_p_frame_all_intra_moves_nothing(write_video: Callable[..., Path]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 48, 64, 3), dtype=np.uint8)
    (gop,) = read_gops(write_video("noise.avi", list(noise)))
    assert assert_equal(write_video("noise.mp4", list(noise)))["intra"] == 1
    assert gop.intra_share.max() == 1
