"""`probe` and `read_gops` on real files: selection, laziness, and every input that must be refused."""

import gc
import weakref
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import av
import numpy as np
import pytest

from hybridnet.errors import TranscodeNeeded, VideoError
from hybridnet.video import Gop, Preprocessing, probe, read_gops, sample_clips
from packets import remux

Frames = Callable[..., list[np.ndarray]]
Write = Callable[..., Path]
TRANSCODE = "hybridnet prepare VIDEO -o CACHE"


def assert_same(gop: Gop, other: Gop) -> None:
    for field in fields(Gop):
        np.testing.assert_array_equal(getattr(gop, field.name), getattr(other, field.name))


def refusal(path: Path | str, **options: object) -> str:
    """The line that `read_gops` refuses the file with."""
    with pytest.raises(VideoError) as caught:
        list(read_gops(path, **options))
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_probe_counts_what_is_there(mpeg4_video: Path, h264_video: Path) -> None:
    info = probe(mpeg4_video)
    assert (info.codec, info.width, info.height, info.packets) == ("mpeg4", 90, 70, 40)
    assert info.keyframes == (0, 12, 24, 36)
    assert info.gop_lengths == (12, 12, 12, 4)
    assert info.has_motion_vectors
    info = probe(str(h264_video))
    assert (info.codec, info.packets, info.keyframes) == ("h264", 30, (0, 12, 24))


def test_probe_of_a_raw_stream_whose_header_counts_nothing(moving_texture: Frames, write_video: Write) -> None:
    assert probe(write_video("raw.h264", moving_texture(5, 48, 64), "libx264", gop=4)).gop_lengths == (4, 1)


@pytest.mark.parametrize("video", ["mpeg4_video", "h264_video"])
def test_chosen_gops_equal_the_full_read(video: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(video)
    full = list(read_gops(path))
    for chosen in ([1], [0, 2], [2], range(len(full))):
        for gop, index in zip(read_gops(path, gops=chosen), chosen, strict=True):
            assert_same(gop, full[index])
    assert list(read_gops(path, gops=[])) == []


@pytest.mark.parametrize("video", ["mpeg4_video", "h264_video"])
@pytest.mark.parametrize("max_p", [0, 1, 5, 11, 50])
def test_max_p_keeps_the_first_p_frames(video: str, max_p: int, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(video)
    for gop, full in zip(read_gops(path, max_p=max_p), read_gops(path), strict=True):
        kept = min(max_p, full.length - 1)
        assert len(gop.motion) == len(gop.residual) == len(gop.positions) == len(gop.intra_share) == kept
        np.testing.assert_array_equal(gop.motion, full.motion[:kept])
        np.testing.assert_array_equal(gop.residual, full.residual[:kept])
        np.testing.assert_array_equal(gop.iframe, full.iframe)
        assert (gop.start, gop.length) == (full.start, full.length)


def test_max_p_with_a_decoder_that_delays(moving_texture: Frames, write_video: Write) -> None:
    path = write_video("delay.mpg", moving_texture(9, 48, 64), "mpeg2video", gop=5)
    full = list(read_gops(path))
    assert [gop.length for gop in full] == [5, 4]
    for gop, whole in zip(read_gops(path, max_p=2), full, strict=True):
        np.testing.assert_array_equal(gop.motion, whole.motion[:2])
        np.testing.assert_array_equal(gop.residual, whole.residual[:2])


def test_last_frame_of_a_decoder_that_delays_has_its_vectors(moving_texture: Frames, write_video: Write) -> None:
    for gop in read_gops(write_video("delay.mpg", moving_texture(9, 48, 64), "mpeg2video", gop=5)):
        assert gop.intra_share[-1] < 1
        assert gop.motion[-1].any()


def test_one_gop_in_memory_at_a_time(mpeg4_video: Path) -> None:
    gops = read_gops(mpeg4_video)
    first = next(gops)
    residual = weakref.ref(first.residual.base)
    second = next(gops)
    assert second.start == 12
    assert residual() is not None
    del first
    gc.collect()
    assert residual() is None
    gops.close()


def test_gops_share_no_memory(mpeg4_video: Path) -> None:
    first, second, *_ = read_gops(mpeg4_video)
    for name in ("iframe", "motion", "residual"):
        assert not np.shares_memory(getattr(first, name), getattr(second, name))


def test_gop_of_one_and_video_of_one_frame(moving_texture: Frames, write_video: Write) -> None:
    gops = list(read_gops(write_video("intra.avi", moving_texture(3, 48, 64), gop=1)))
    assert [(gop.start, gop.length, gop.motion.shape, gop.residual.shape) for gop in gops] == [
        (t, 1, (0, 48, 64, 2), (0, 48, 64, 3)) for t in range(3)
    ]
    (gop,) = read_gops(write_video("one.mp4", moving_texture(1, 48, 64)))
    assert (gop.length, len(gop.motion)) == (1, 0)


def test_i_frame_inside_a_gop_is_a_p_frame_without_motion(moving_texture: Frames, write_video: Write) -> None:
    frames = [*moving_texture(6, 48, 64), *moving_texture(6, 48, 64, seed=9)]
    options = {"x264-params": "scenecut=40:min-keyint=20:keyint=40:dpb-size=2"}
    path = write_video("cut.mp4", frames, "libx264", options=options)
    with av.open(str(path)) as container:
        kinds = [frame.pict_type for frame in container.decode(video=0)]
    inside = [t for t in range(1, 12) if kinds[t] == 1]
    assert inside, "the encoder is expected to answer the cut with an I-frame"
    (gop,) = read_gops(path)
    assert (gop.start, gop.length) == (0, 12)
    for t in inside:
        assert gop.intra_share[t - 1] == 1
        before = gop.motion[t - 2] if t > 1 else np.zeros_like(gop.motion[0])
        np.testing.assert_array_equal(gop.motion[t - 1], before)


def test_stream_that_starts_on_a_p_frame(mpeg4_video: Path, tmp_path: Path) -> None:
    path = remux(mpeg4_video, tmp_path / "late.avi", first=5)
    assert probe(path).keyframes == (7, 19, 31)
    full = list(read_gops(mpeg4_video))[1:]
    gops = list(read_gops(path))
    assert [(gop.start, gop.length) for gop in gops] == [(0, 12), (12, 12), (24, 4)]
    for gop, expected in zip(gops, full, strict=True):
        np.testing.assert_array_equal(gop.motion, expected.motion)
        np.testing.assert_array_equal(gop.residual, expected.residual)


def packet_span(path: Path, number: int) -> tuple[int, int]:
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][number]
        return packet.pos, packet.size


def test_damage_is_flagged_on_its_gop_alone(mpeg4_video: Path, tmp_path: Path) -> None:
    data = bytearray(mpeg4_video.read_bytes())
    position, size = packet_span(mpeg4_video, 15)
    data[position + size // 3 : position + size - 8] = bytes(size - 8 - size // 3)
    path = tmp_path / "damaged.avi"
    path.write_bytes(data)
    gops = list(read_gops(path))
    assert [gop.corrupt for gop in gops] == [False, True, False, False]
    assert_same(gops[2], list(read_gops(mpeg4_video))[2])


def blank(path: Path, numbers: range, keep: int, target: Path) -> Path:
    """Copy a video with those packets zeroed after their first `keep` bytes."""
    data = bytearray(path.read_bytes())
    for number in numbers:
        position, size = packet_span(path, number)
        data[position + keep : position + size] = bytes(size - keep)
    target.write_bytes(data)
    return target


def test_iframe_that_cannot_be_decoded(mpeg4_video: Path, tmp_path: Path) -> None:
    path = blank(mpeg4_video, range(1), 0, tmp_path / "no_iframe.avi")
    message = refusal(path)
    assert "GOP 0" in message
    assert "I-frame" in message
    assert TRANSCODE in message
    assert_same(next(read_gops(path, gops=[1])), list(read_gops(mpeg4_video))[1])


def test_no_decodable_frame(mpeg4_video: Path, tmp_path: Path) -> None:
    path = blank(mpeg4_video, range(40), 0, tmp_path / "nothing.avi")
    assert TRANSCODE in refusal(path)


def test_no_such_file_and_folder(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "none.mp4")
    assert "folder" in refusal(tmp_path)
    for path in (tmp_path / "none.mp4", tmp_path):
        with pytest.raises(VideoError, match=str(path)):
            probe(path)


@pytest.mark.parametrize("suffix", ["mp4", "avi", "txt"])
@pytest.mark.parametrize("content", [b"", np.random.default_rng(0).bytes(5000), b"a line of words\n" * 300])
def test_no_video_in_it(suffix: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"file.{suffix}"
    path.write_bytes(content)
    assert "video" in refusal(path)
    with pytest.raises(VideoError):
        probe(path)


def test_mp4_cut_short_before_its_index(moving_texture: Frames, write_video: Write, tmp_path: Path) -> None:
    data = write_video("whole.mp4", moving_texture(12, 48, 64)).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: len(data) // 2])
    assert "cannot be opened" in refusal(path)


def test_audio_only(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert "no video stream" in refusal(path)
    with pytest.raises(VideoError, match="no video stream"):
        probe(path)


@pytest.mark.parametrize(
    ("encoder", "codec", "name"),
    [
        ("libx265", "hevc", "a.mp4"),
        ("libvpx", "vp8", "a.webm"),
        ("libvpx-vp9", "vp9", "a.webm"),
        ("libsvtav1", "av1", "a.mp4"),
    ],
)
def test_codec_without_motion_vectors(
    encoder: str, codec: str, name: str, moving_texture: Frames, write_video: Write
) -> None:
    options = {"x265-params": "log-level=none"} if encoder == "libx265" else None
    path = write_video(name, moving_texture(3, 64, 64), encoder, options=options)
    message = refusal(path)
    assert f"codec {codec}" in message
    assert TRANSCODE in message
    assert not probe(path).has_motion_vectors


@pytest.mark.parametrize(
    ("name", "codec"),
    [("b.mp4", "mpeg4"), ("b.avi", "mpeg4"), ("b.mpg", "mpeg2video"), ("b.mp4", "libx264"), ("b.avi", "libx264")],
)
def test_b_frames(name: str, codec: str, moving_texture: Frames, write_video: Write) -> None:
    path = write_video(name, moving_texture(12, 48, 64), codec, b_frames=2)
    message = refusal(path)
    assert "B-frames" in message
    assert TRANSCODE in message
    for wanted in ({"max_p": 1}, {"max_p": 2}, {"positions": [1]}, {"positions": [4]}):
        assert "B-frames" in refusal(path, **wanted)


def test_intra_refresh(moving_texture: Frames, write_video: Write) -> None:
    options = {"x264-params": "intra-refresh=1:keyint=10"}
    assert "intra refresh" in refusal(
        write_video("refresh.mp4", moving_texture(30, 48, 64), "libx264", options=options)
    )


def test_size_changes_in_the_middle(moving_texture: Frames, write_video: Write, tmp_path: Path) -> None:
    path = tmp_path / "two_sizes.h264"
    small = write_video("small.h264", moving_texture(6, 48, 64), "libx264")
    large = write_video("large.h264", moving_texture(6, 64, 96), "libx264")
    path.write_bytes(small.read_bytes() + large.read_bytes())
    assert "from 64x48 to 96x64" in refusal(path)


def test_arguments_out_of_range(mpeg4_video: Path) -> None:
    assert "GOP 4" in refusal(mpeg4_video, gops=[1, 4])
    for gops in ([-1], [2, 1], [1, 1]):
        assert "ascending" in refusal(mpeg4_video, gops=gops)
    assert "max_p -1" in refusal(mpeg4_video, max_p=-1)


def test_refused_before_the_first_gop_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(VideoError):
        read_gops(tmp_path / "none.mp4")


def test_rotation_metadata_is_not_applied(mpeg4_video: Path, tmp_path: Path) -> None:
    plain = next(read_gops(mpeg4_video))
    path = remux(mpeg4_video, tmp_path / "turned.mp4")
    data = bytearray(path.read_bytes())
    one, upright = (0x10000).to_bytes(4, "big"), bytes(12)
    matrix = data.index(one + upright + one + upright + (0x40000000).to_bytes(4, "big"), data.index(b"tkhd"))
    quarter = [0, 0x10000, 0, 0xFFFF0000, 0, 0, 0, 0, 0x40000000]
    data[matrix : matrix + 36] = b"".join(value.to_bytes(4, "big") for value in quarter)
    path.write_bytes(data)
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).rotation in (-90, 90)
    np.testing.assert_array_equal(next(read_gops(path)).iframe, plain.iframe)
    with pytest.raises(TranscodeNeeded, match="turned by"):
        sample_clips(path, Preprocessing(size=32, short_side=32))
