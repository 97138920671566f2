"""Inputs off the beaten track: each is read as documented, or refused in a line that says what to do."""

import io
import os
import re
from collections.abc import Callable
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from hybridnet.errors import TranscodeNeeded, VideoError
from hybridnet.video import Gop, Recipe, probe, read_gops, transcode
from packets import remux, spans

Frames = Callable[..., list[np.ndarray]]
Write = Callable[..., Path]
TRANSCODE = "hybridnet prepare VIDEO -o CACHE"


def assert_same(gop: Gop, other: Gop) -> None:
    for field in fields(Gop):
        np.testing.assert_array_equal(getattr(gop, field.name), getattr(other, field.name))


def refusal(path: Path, kind: type[VideoError] = VideoError, **options: object) -> str:
    """The line that `read_gops` refuses the file with."""
    with pytest.raises(kind) as caught:
        list(read_gops(path, **options))
    message = str(caught.value)
    assert type(caught.value) is kind
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_avi_cut_short_is_read_up_to_the_cut(mpeg4_video: Path, tmp_path: Path) -> None:
    position, size = spans(mpeg4_video)[20]
    path = tmp_path / "cut.avi"
    path.write_bytes(mpeg4_video.read_bytes()[: position + size // 2])
    whole, cut = list(read_gops(mpeg4_video)), list(read_gops(path))
    assert [(gop.start, gop.length, gop.corrupt) for gop in cut] == [(0, 12, False), (12, 9, True)]
    assert_same(cut[0], whole[0])
    np.testing.assert_array_equal(cut[1].motion[:7], whole[1].motion[:7])
    message = refusal(path, strict=True)
    assert "GOP 1 is damaged; leave strict out" in message
    assert TRANSCODE in message


@pytest.mark.parametrize("within", [False, True], ids=["between packets", "within a packet"])
def test_mp4_whose_packets_end_before_its_index(within: bool, h264_video: Path, tmp_path: Path) -> None:
    path = tmp_path / "fast.mp4"
    remux(h264_video, path, movflags="faststart")
    whole = list(read_gops(path))
    position, size = spans(path)[15]
    path.write_bytes(path.read_bytes()[: position + within * size // 2])
    cut = list(read_gops(path))
    assert [(gop.start, gop.corrupt) for gop in cut] == [(0, False), (12, True)]
    assert 3 <= cut[1].length <= 4
    assert_same(cut[0], whole[0])
    np.testing.assert_array_equal(cut[1].motion[:2], whole[1].motion[:2])
    assert "GOP 1 is damaged" in refusal(path, strict=True)
    assert "the last one is 1" in refusal(path, gops=[0, 2])
    found = probe(path)
    assert found.gop_lengths == (12, cut[1].length)
    assert re.search(r"fast\.mp4: damaged after packet 1[56] \(.*\); transcode it", str(found.breaks_off))
    assert probe(h264_video).breaks_off is None
    assert_same(next(read_gops(path, gops=[0])), whole[0])


def test_mp4_cut_behind_a_gop_says_so_of_it_chosen_or_not(h264_video: Path, tmp_path: Path) -> None:
    path = remux(h264_video, tmp_path / "fast.mp4", movflags="faststart")
    path.write_bytes(path.read_bytes()[: spans(path)[24][0]])
    (first, last), (chosen,) = read_gops(path), read_gops(path, gops=[1])
    assert (first.corrupt, last.corrupt, last.length) == (False, True, 12)
    assert_same(chosen, last)
    assert "GOP 1 is damaged" in refusal(path, gops=[0, 1], strict=True)


@pytest.mark.parametrize("name", ["cut.avi", "cut.mkv"])
def test_file_cut_between_packets_says_so_of_its_last_gop(
    name: str, moving_texture: Frames, write_video: Write
) -> None:
    path = write_video(name, moving_texture(40, 70, 90))
    whole = list(read_gops(path, strict=True))
    position, size = spans(path)[20]
    end = position + size + size % 2 * (path.suffix == ".avi")  # whose chunks are of even size
    path.write_bytes(path.read_bytes()[:end])
    first, cut = read_gops(path)
    assert_same(first, whole[0])
    assert cut.corrupt
    np.testing.assert_array_equal(cut.motion, whole[1].motion[: len(cut.motion)])
    for options in ({"max_p": 2}, {"gops": [1]}, {"positions": [1]}):
        assert [gop.corrupt for gop in read_gops(path, **options)][-1]
    assert_same(next(read_gops(path, gops=[0], strict=True)), first)
    assert "GOP 1 is damaged" in refusal(path, strict=True, max_p=1)
    with path.open("rb") as file:
        assert [gop.corrupt for gop in read_gops(file)] == [False, True]


def test_flipped_bits(mpeg4_video: Path, tmp_path: Path) -> None:
    data = bytearray(mpeg4_video.read_bytes())
    position, size = spans(mpeg4_video)[14]
    for at in range(position + 40, position + size - 8, 16):
        data[at] ^= 0xFF
    path = tmp_path / "flipped.avi"
    path.write_bytes(data)
    assert [gop.corrupt for gop in read_gops(path)] == [False, True, False, False]
    assert "GOP 1 is damaged" in refusal(path, strict=True)
    strict = list(read_gops(path, gops=[0, 2, 3], strict=True))
    assert_same(strict[1], list(read_gops(mpeg4_video))[2])


def test_lost_frame_is_damage(mpeg4_video: Path, tmp_path: Path) -> None:
    data = bytearray(mpeg4_video.read_bytes())
    position, size = spans(mpeg4_video)[14]
    data[position : position + size] = bytes(size)
    path = tmp_path / "lost.avi"
    path.write_bytes(data)
    gop = list(read_gops(path))[1]
    assert (gop.corrupt, gop.length, len(gop.motion)) == (True, 12, 10)


def test_key_packet_of_h264_that_is_damaged_stays_one(h264_video: Path, tmp_path: Path) -> None:
    data = bytearray(h264_video.read_bytes())
    position, size = spans(h264_video)[12]
    data[position : position + size] = bytes(size)
    path = tmp_path / "no_second.mp4"
    path.write_bytes(data)
    assert probe(path).gop_lengths == (12, 12, 6)
    assert "GOP 1" in refusal(path, TranscodeNeeded)
    whole = list(read_gops(h264_video))
    for gop, index in zip(read_gops(path, gops=[0, 2]), (0, 2), strict=True):
        assert_same(gop, whole[index])


def test_b_frames_shown_before_their_i_frame(moving_texture: Frames, write_video: Write) -> None:
    path = write_video("open.mp4", moving_texture(24, 48, 64), gop=6, b_frames=2)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    opens = [n for n, packet in enumerate(packets) if packet.is_keyframe and packets[n + 1].pts < packet.pts]
    assert opens, "the encoder is expected to open its GOPs"
    for options in ({}, {"gops": [1]}, {"max_p": 2}):
        assert "has B-frames" in refusal(path, TranscodeNeeded, **options)


def test_packed_b_frames(moving_texture: Frames, write_video: Write, tmp_path: Path) -> None:
    source = write_video("b.m4v", moving_texture(12, 48, 64), b_frames=1, muxer="m4v")
    with av.open(str(source)) as container:
        frames = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    tail = frames[1:-1] if len(frames) % 2 == 0 else frames[1:]
    packets = [b"\x00\x00\x01\xb2DivX503b1393p" + frames[0]]
    for p_frame, b_frame in zip(tail[::2], tail[1::2], strict=True):
        packets += [p_frame + b_frame, b"\x00\x00\x01\xb6\x50\x00\x7f"]  # two frames in one packet, then a filler
    path = tmp_path / "packed.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 64, 48
        for number, data in enumerate(packets):
            packet = av.Packet(data)
            packet.stream, packet.pts, packet.dts = stream, number, number
            packet.time_base, packet.is_keyframe = Fraction(1, 25), number == 0
            container.mux(packet)
    message = refusal(path, TranscodeNeeded)
    assert "B-frames" in message
    assert TRANSCODE in message


def test_no_key_frame(moving_texture: Frames, write_video: Write, tmp_path: Path) -> None:
    source = write_video("whole.m4v", moving_texture(12, 48, 64), muxer="m4v")
    with av.open(str(source)) as container:
        frames = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    path = tmp_path / "tail.m4v"
    header = frames[0][: frames[0].index(b"\x00\x00\x01\xb6")]
    path.write_bytes(header.partition(b"\x00\x00\x01\xb3")[0] + b"".join(frames[1:]))
    assert "no key frame" in refusal(path, TranscodeNeeded)


@pytest.mark.parametrize("pixel_format", ["yuv420p10le", "yuv422p", "yuv444p", "gray"])
def test_other_pixels_of_h264_are_read_as_they_are(
    pixel_format: str, moving_texture: Frames, write_video: Write
) -> None:
    path = write_video("a.mp4", moving_texture(8, 48, 64), "libx264", pixel_format=pixel_format)
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
    (gop,) = read_gops(path, accumulate=False)
    assert np.abs(gop.iframe - pictures[0]).max() <= 2
    assert len(gop.motion) == 7
    still = ~gop.motion.any(axis=(0, 3))
    assert not still.all()
    assert np.abs((gop.residual - np.diff(pictures, axis=0))[:, still]).max(initial=0) <= 2
    assert (np.ptp(gop.iframe, axis=2) <= 1).all() == (pixel_format == "gray")


@pytest.mark.parametrize(("colours", "matrix"), [("ycgco", 8), ("bt2020c", 10)])
def test_colours_that_swscale_does_not_know(
    colours: str, matrix: int, moving_texture: Frames, write_video: Write
) -> None:
    path = write_video("odd.mp4", moving_texture(12, 48, 64), "libx264", options={"colorspace": colours})
    words = f"frames of 64x48 in yuv420p with colour matrix {matrix} of ITU-T H.273 cannot be converted"
    assert words in refusal(path)
    assert words in refusal(path, residual=None)
    with pytest.raises(VideoError, match=words):
        transcode(path, io.BytesIO(), Recipe(64, 48))


def test_raw_mpeg4_whose_header_counts_nothing(moving_texture: Frames, write_video: Write) -> None:
    path = write_video("raw.m4v", moving_texture(15, 48, 64), gop=6, muxer="m4v")
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 0
    assert probe(path).gop_lengths == (6, 6, 3)
    for gop, start in zip(read_gops(path), (0, 6, 12), strict=True):
        assert (gop.start, len(gop.motion)) == (start, gop.length - 1)


def test_eight_by_eight_pixels(write_video: Write) -> None:
    frames = [np.full((8, 8, 3), 20 * t, np.uint8) for t in range(5)]
    (gop,) = read_gops(write_video("dot.avi", frames))
    assert (gop.iframe.shape, gop.motion.shape, gop.residual.shape) == ((8, 8, 3), (4, 8, 8, 2), (4, 8, 8, 3))


def test_codec_tag_that_is_no_text(moving_texture: Frames, write_video: Write, tmp_path: Path) -> None:
    whole = write_video("whole.mp4", moving_texture(5, 48, 64))
    path = tmp_path / "tag.mp4"
    path.write_bytes(whole.read_bytes().replace(b"mp4v", b"mp\xb4v"))
    assert_same(*read_gops(path), *read_gops(whole))


def test_header_that_claims_a_huge_picture(moving_texture: Frames, write_video: Write, tmp_path: Path) -> None:
    data = bytearray(write_video("small.avi", moving_texture(3, 48, 64), "msmpeg4").read_bytes())
    width = data.index(b"strf") + 12
    data[width : width + 8] = (8000).to_bytes(4, "little") * 2
    path = tmp_path / "huge.avi"
    path.write_bytes(data)
    with pytest.raises(VideoError, match="8000x8000, more than 33,554,432 pixels"):
        probe(path)


def test_positions_are_a_part_of_the_full_read(mpeg4_video: Path) -> None:
    for accumulate in (True, False):
        full = list(read_gops(mpeg4_video, accumulate=accumulate))
        for places in ([1], [3, 11], [2, 5, 40], []):
            for gop, whole in zip(read_gops(mpeg4_video, positions=places, accumulate=accumulate), full, strict=True):
                there = [place for place in places if place < whole.length]
                assert gop.positions.tolist() == there
                for name in ("motion", "residual", "intra_share"):
                    kept = getattr(whole, name)[[place - 1 for place in there]]
                    np.testing.assert_array_equal(getattr(gop, name), kept)
                assert (gop.start, gop.length) == (whole.start, whole.length)


def test_without_residual(mpeg4_video: Path) -> None:
    for subpel in ("trunc", "float"):
        for gop, whole in zip(
            read_gops(mpeg4_video, residual=None, subpel=subpel), read_gops(mpeg4_video, subpel=subpel), strict=True
        ):
            assert gop.residual.shape == (0, 70, 90, 3)
            np.testing.assert_array_equal(gop.motion, whole.motion)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"positions": [0, 1]}, "positions [0, 1] must be ascending integers from 1"),
        ({"positions": [3, 2]}, "positions [3, 2] must be ascending"),
        ({"positions": [2, 2]}, "positions [2, 2] must be ascending"),
        ({"positions": ["a"]}, "positions ['a'] must be ascending integers from 1"),
        ({"gops": [1.5]}, "gops [1.5] must be ascending integers from 0"),
        ({"gops": 2}, "gops 2 must be ascending integers from 0"),
        ({"gops": [-1, 2]}, "gops [-1, 2] must be ascending integers from 0"),
        ({"max_p": 1.5}, "max_p 1.5 must be an integer of at least 0"),
        ({"max_p": True}, "max_p True must be an integer of at least 0"),
        ({"gops": [True]}, "gops [True] must be ascending integers from 0"),
        ({"max_p": "3"}, "max_p '3' must be an integer of at least 0"),
        ({"max_p": -1}, "max_p -1 must be an integer of at least 0"),
        ({"max_p": 10**30}, f"max_p {10**30} must be an integer of at least 0"),
        ({"positions": [10**30]}, f"positions [{10**30}] must be ascending integers from 1"),
        ({"accumulate": "no"}, "accumulate 'no' must be True or False"),
        ({"accumulate": None}, "accumulate None must be True or False"),
        ({"strict": 1}, "strict 1 must be True or False"),
        ({"subpel": np.zeros(2)}, "subpel array([0., 0.]) must be 'trunc' or 'float'"),
        ({"subpel": []}, "subpel [] must be 'trunc' or 'float'"),
        ({"positions": [1], "max_p": 3}, "max_p 3 and positions [1] contradict each other; leave one out"),
        ({"subpel": "half"}, "subpel 'half' must be 'trunc' or 'float'"),
        ({"residual": "none"}, "residual 'none' must be 'pixel', 'codec' or None"),
        ({"residual": "codec", "accumulate": False}, "residual 'codec' is always accumulated"),
    ],
)
def test_arguments_out_of_range(options: dict, words: str, mpeg4_video: Path) -> None:
    with pytest.raises(VideoError) as caught:
        read_gops(mpeg4_video, **options)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{mpeg4_video}: ")


def test_codec_residual_is_of_mpeg4_only(h264_video: Path) -> None:
    assert "of MPEG-4 only and this is h264" in refusal(h264_video, residual="codec")


@pytest.mark.parametrize("leads_to", ["nothing.avi", "link.avi"], ids=["nowhere", "itself"])
def test_links_to_nothing(leads_to: str, tmp_path: Path) -> None:
    (tmp_path / "link.avi").symlink_to(leads_to)
    assert "is a symbolic link that leads nowhere or in a circle" in refusal(tmp_path / "link.avi")


def test_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    for read in (probe, read_gops):
        with pytest.raises(VideoError, match=r"pipe\.mp4: is no file"):
            read(tmp_path / "pipe.mp4")


class Pipe(io.BytesIO):
    """A file that cannot be wound back."""

    def seek(self, *_: object) -> int:
        raise io.UnsupportedOperation("underlying stream is not seekable")


@pytest.mark.parametrize(
    "source", [b"a.avi", 7, None, io.StringIO("text"), Pipe(b"RIFF")], ids=lambda s: type(s).__name__
)
def test_sources_that_are_none(source: object) -> None:
    for read in (probe, read_gops, lambda source: transcode(source, io.BytesIO(), Recipe())):
        with pytest.raises(VideoError, match="is neither a path nor a seekable file open for reading bytes") as caught:
            read(source)
        assert "\n" not in str(caught.value)


def test_closed_file(mpeg4_video: Path) -> None:
    with mpeg4_video.open("rb") as file:
        pass
    with pytest.raises(VideoError, match=r"mpeg4\.avi: is neither a path nor a seekable file"):
        read_gops(file)


def test_numbers_of_numpy_are_integers_too(mpeg4_video: Path) -> None:
    (gop,) = read_gops(mpeg4_video, gops=np.array([1]), max_p=np.int64(3))
    assert (gop.start, len(gop.motion)) == (12, 3)
