"""One decoder for GOP after GOP of MPEG-4: only where it makes no difference, and then the frames are a new one's."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from hybridnet.video import read_gops
from hybridnet.video.decoder import GopDecoder
from hybridnet.video.mpeg4 import GROUP, PICTURE, common_header

Frames = Callable[..., list[np.ndarray]]
Write = Callable[..., Path]


def gops_of(path: Path) -> list[list[av.Packet]]:
    gops: list[list[av.Packet]] = []
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            if packet.size:
                gops += [[]] if packet.is_keyframe else []
                gops[-1].append(packet)
    return gops


def packets(*data: bytes) -> list[av.Packet]:
    return [av.Packet(each) for each in data]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[GopDecoder]:
    """Who has opened a decoder; a first one of each `GopDecoder` is opened only to see whether it exports vectors."""
    found: list[GopDecoder] = []
    ours = GopDecoder.open
    monkeypatch.setattr(GopDecoder, "open", lambda decoder: found.append(decoder) or ours(decoder))
    return found


def alone(packets: list[av.Packet]) -> list[np.ndarray]:
    """The pictures of one GOP by a decoder of its own."""
    context = av.CodecContext.create("mpeg4", "r")
    return [frame.to_ndarray() for packet in (*packets, None) for frame in context.decode(packet)]


def test_one_decoder_for_all_gops(mpeg4_video: Path, opened: list[GopDecoder]) -> None:
    with av.open(str(mpeg4_video)) as container:
        decoder = GopDecoder(mpeg4_video, container.streams.video[0], {}, keeps=True)
        for index, gop in enumerate(gops_of(mpeg4_video)):
            frames = [frame.to_ndarray() for frame in decoder.decode(index, gop)]
            np.testing.assert_array_equal(frames, alone(gop))
    assert len(opened) == 1


@pytest.mark.parametrize("options", [{}, {"positions": [3]}, {"max_p": 0}])
def test_a_video_read_with_one_decoder(options: dict, mpeg4_video: Path, opened: list[GopDecoder]) -> None:
    assert len(list(read_gops(mpeg4_video, **options))) == 4
    assert len(opened) == 3  # two to see whether they export vectors


def test_a_new_one_after_damage(mpeg4_video: Path, tmp_path: Path, opened: list[GopDecoder]) -> None:
    data = bytearray(mpeg4_video.read_bytes())
    second = bytes(gops_of(mpeg4_video)[1][4])
    place = data.index(second)
    data[place + len(second) // 2 : place + len(second)] = bytes(len(second) - len(second) // 2)
    path = tmp_path / "damaged.avi"
    path.write_bytes(data)
    gops = list(read_gops(path))
    assert [gop.corrupt for gop in gops] == [False, True, False, False]
    assert len(opened) == 5  # the damaged GOP is decoded again by itself, and those behind it by a new one
    for gop, sound in zip(gops, read_gops(mpeg4_video), strict=True):
        if not gop.corrupt:
            np.testing.assert_array_equal(gop.residual, sound.residual)


def test_headers_that_are_the_same_but_for_the_time() -> None:
    header, time = b"\0\0\1\xb0\1", b"\x00\x10\x07"
    first, second = header + GROUP + time + PICTURE + b"I", header + GROUP + b"\x00\x10\x47" + PICTURE + b"J"
    assert common_header(packets(first, PICTURE + b"P")) == header
    assert common_header(packets(second)) == header
    assert common_header(packets(header + PICTURE + b"I")) == header
    assert common_header(packets(PICTURE + b"I")) == b""


def test_headers_that_tell_more() -> None:
    sound = b"\0\0\1\xb0\1" + PICTURE + b"I"
    for gop in (
        [sound, b"\0\0\1\xb0\2" + PICTURE + b"P"],  # within the GOP
        [b"\0\0\1\xb0\1" + GROUP + b"\0\x10\x07\0\0\1\xb2more" + PICTURE + b"I"],  # behind the time code
        [b"no start code"],
        [bytes(2000) + PICTURE],
    ):
        assert common_header(packets(*gop)) is None
