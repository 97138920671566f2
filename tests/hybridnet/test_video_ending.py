"""Files that break off: whatever frames are lost, the reader says so, container by container."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest

from hybridnet.errors import VideoError
from hybridnet.video import read_gops
from hybridnet.video.ending import is_cut
from hybridnet.video.pictures import survey
from packets import remux

Frames = Callable[..., list[np.ndarray]]
Write = Callable[..., Path]
FRAMES = 24
PACK = b"\x00\x00\x01\xba"  # an MPEG-PS has one every few packets


@dataclass(frozen=True)
class Kind:
    """A container, a codec that goes into it, options of its muxer, and where nothing in it says that it breaks off."""

    name: str
    codec: str
    options: tuple[tuple[str, str], ...] = ()
    silent: Callable[[bytes], bool] = lambda _: False

    def __str__(self) -> str:
        return f"{self.name}-{self.codec}"


def multiple_of(size: int) -> Callable[[bytes], bool]:
    return lambda data: len(data) % size == 0


def between_tags(data: bytes) -> bool:
    """An FLV's tags: type, size of 3 bytes, 7 bytes more, the data, and 4 bytes of what all that came to."""
    at = 13
    while at < len(data):
        at += 15 + int.from_bytes(data[at + 1 : at + 4])
    return at == len(data)


KINDS = (
    Kind("riff.avi", "mpeg4"),
    Kind("fast.mp4", "mpeg4", (("movflags", "+faststart"),)),
    Kind("fast.mov", "libx264", (("movflags", "+faststart"),)),
    Kind("fragments.mp4", "mpeg4", (("movflags", "frag_keyframe+empty_moov"),)),
    Kind("index_last.3gp", "h263"),
    Kind("matroska.mkv", "mpeg4"),
    Kind("windows.wmv", "wmv2"),
    Kind("exchange.mxf", "mpeg2video"),
    Kind("sized.flv", "flv"),
    Kind("unsized.flv", "flv", (("flvflags", "no_duration_filesize"),), between_tags),
    Kind("program.mpg", "mpeg2video", silent=multiple_of(2048)),
    Kind("program.mpg", "mpeg1video", silent=multiple_of(2048)),
    Kind("program.vob", "mpeg2video", silent=multiple_of(2048)),
    Kind("transport.ts", "mpeg2video", silent=multiple_of(188)),
    Kind("transport.ts", "libx264", silent=multiple_of(188)),
    Kind("timed.ts", "libx264", (("mpegts_m2ts_mode", "1"),), multiple_of(192)),
)


@pytest.fixture(params=KINDS, ids=str)
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


@pytest.fixture
def whole(kind: Kind, moving_texture: Frames, write_video: Write, tmp_path: Path) -> Path:
    """24 frames in GOPs of 8."""
    path = write_video(kind.name, moving_texture(FRAMES, 96, 128), kind.codec, gop=8)
    return remux(path, tmp_path / kind.name, **dict(kind.options)) if kind.options else path


def test_whole_files_end_where_they_should(whole: Path) -> None:
    gops = list(read_gops(whole, strict=True))
    assert sum(gop.length for gop in gops) == FRAMES
    assert not is_cut(whole)
    with whole.open("rb") as file:
        file.seek(5)
        assert not is_cut(file)
        assert file.tell() == 5


def test_no_frame_is_lost_in_silence(kind: Kind, whole: Path, tmp_path: Path) -> None:
    data, path = whole.read_bytes(), tmp_path / f"cut{whole.suffix}"
    told, refused, sizes = 0, 0, range(len(data) // 5, len(data), len(data) // 31)
    for size in sizes:
        path.write_bytes(data[:size])
        try:
            gops = list(read_gops(path))
        except VideoError:
            refused += 1
            continue
        if not kind.name.startswith("program"):  # where FFmpeg flags whatever shares a packet with the cut frame
            assert not any(gop.corrupt for gop in gops[:-1])
        if sum(1 + len(gop.motion) for gop in gops) < FRAMES and not kind.silent(data[:size]):
            told += 1
            assert gops[-1].corrupt
            assert survey(path).damage
            with pytest.raises(VideoError, match="damaged"):
                list(read_gops(path, strict=True))
    assert told > 10 or refused == len(sizes)  # as where the index comes last


@pytest.fixture
def avi(moving_texture: Frames, write_video: Write) -> bytes:
    return write_video("a.avi", moving_texture(3, 48, 64)).read_bytes()


@pytest.fixture
def mp4(moving_texture: Frames, write_video: Write, tmp_path: Path) -> bytes:
    """Its index, then an empty box of 8 bytes, then the packets."""
    source = write_video("a.mp4", moving_texture(3, 48, 64))
    return remux(source, tmp_path / "fast.mp4", movflags="+faststart").read_bytes()


def test_avi_of_several_parts_is_cut_where_its_last_is_short(avi: bytes) -> None:
    part = b"RIFF" + (1000).to_bytes(4, "little") + b"AVIX" + bytes(996)
    assert not is_cut(io.BytesIO(avi + part + part))
    assert not is_cut(io.BytesIO(avi + b"what others append"))
    assert is_cut(io.BytesIO(avi + part + part[:-2]))
    assert is_cut(io.BytesIO(avi + part[:5]))


def test_mp4_boxes_of_every_length(mp4: bytes) -> None:
    at = mp4.rindex(b"free")
    size = int.from_bytes(mp4[at + 4 : at + 8])
    assert mp4[at + 8 : at + 12] == b"mdat"
    to_the_end = mp4[: at + 4] + bytes(4) + mp4[at + 8 :]
    long = mp4[: at - 4] + (1).to_bytes(4) + b"mdat" + (size + 8).to_bytes(8) + mp4[at + 12 :]
    for data, is_told in ((mp4, True), (long, True), (to_the_end, False)):
        assert sum(gop.length for gop in read_gops(io.BytesIO(data), strict=True)) == 3
        assert is_cut(io.BytesIO(data[:-1])) is is_told
    assert is_cut(io.BytesIO(mp4 + (20).to_bytes(4)))


class Pipe:
    """What a muxer writes where it cannot go back."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


def piped(source: Path, muxer: str) -> bytes:
    pipe = Pipe()
    with av.open(str(source)) as reading, av.open(pipe, "w", format=muxer) as writing:
        stream = writing.add_stream_from_template(reading.streams.video[0])
        for packet in reading.demux(video=0):
            if packet.size:
                packet.stream = stream
                writing.mux(packet)
    return pipe.data


@pytest.mark.parametrize(
    ("name", "codec", "muxer"),
    [("a.avi", "mpeg4", "avi"), ("a.mkv", "mpeg4", "matroska"), ("a.flv", "flv", "flv"), ("a.wmv", "wmv2", "asf")],
)
def test_recordings_that_could_not_say_how_long_they_are(
    name: str, codec: str, muxer: str, moving_texture: Frames, write_video: Write
) -> None:
    data = piped(write_video(name, moving_texture(FRAMES, 96, 128), codec, gop=8), muxer)
    gops = list(read_gops(io.BytesIO(data), strict=True))
    assert sum(gop.length for gop in gops) == FRAMES
    assert not is_cut(io.BytesIO(data))


def test_live_matroska_is_cut_within_a_cluster(moving_texture: Frames, write_video: Write) -> None:
    data = piped(write_video("a.mkv", moving_texture(FRAMES, 96, 128), gop=8), "matroska")
    cluster = b"\x1f\x43\xb6\x75"
    starts = [at for at in range(len(data)) if data[at : at + 4] == cluster]
    assert len(starts) == 3
    for size in range(starts[0] + len(cluster), len(data), 97):
        assert is_cut(io.BytesIO(data[:size]))
    assert not is_cut(io.BytesIO(data[: starts[2]]))


@pytest.mark.parametrize("rest", [b"\n", b"a line that somebody appended\n", bytes(512)], ids=["byte", "text", "zeros"])
def test_what_others_appended_is_no_damage(kind: Kind, whole: Path, rest: bytes) -> None:
    if kind.name != "timed.ts":  # whose packets begin with a time, which these bytes could be
        assert not is_cut(io.BytesIO(whole.read_bytes() + rest))


def test_asf_of_a_broadcast(moving_texture: Frames, write_video: Write) -> None:
    data = bytearray(write_video("a.wmv", moving_texture(FRAMES, 96, 128), "wmv2").read_bytes())
    cut = slice(len(data) // 2)
    assert is_cut(io.BytesIO(data[cut]))
    data[data.index(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")) + 88] |= 1  # broadcast: sizes are not valid
    assert not is_cut(io.BytesIO(data[cut]))


def test_flv_whose_tags_sizes_were_left_out(moving_texture: Frames, write_video: Write, tmp_path: Path) -> None:
    source = write_video("a.flv", moving_texture(3, 48, 64), "flv")
    data = remux(source, tmp_path / "b.flv", flvflags="no_duration_filesize").read_bytes()
    assert not is_cut(io.BytesIO(data[:-4] + bytes(4)))
    assert is_cut(io.BytesIO(data[:-1]))


def test_mpeg_ps_with_an_end_code(moving_texture: Frames, write_video: Write) -> None:
    data = write_video("a.mpg", moving_texture(2 * FRAMES, 96, 128), "mpeg2video").read_bytes()
    end = b"\x00\x00\x01\xb9"
    assert not is_cut(io.BytesIO(data + end))
    assert is_cut(io.BytesIO(data + end[:3]))
    second, last = data.index(PACK, 1), data.rindex(PACK)
    assert second < last
    damaged = data[: last - 4] + b"x" + data[last:]  # so that no packet begins where the one before the pack ends
    assert not is_cut(io.BytesIO(damaged))
    assert is_cut(io.BytesIO(damaged[:-1]))


def test_mpeg_ts_that_begins_within_a_packet_or_damaged(moving_texture: Frames, write_video: Write) -> None:
    data = write_video("a.ts", moving_texture(FRAMES, 96, 128), "mpeg2video").read_bytes()
    damaged = bytes(1) + data[1 : 5 * 188] + b"x" + data[5 * 188 + 1 :]
    with_parity = b"".join(data[at : at + 188] + bytes(16) for at in range(0, len(data), 188))
    assert sum(gop.length for gop in read_gops(io.BytesIO(with_parity), strict=True)) == FRAMES
    for begun in (data, data[100:], damaged, with_parity):
        assert not is_cut(io.BytesIO(begun))
        assert is_cut(io.BytesIO(begun[:-1]))
