"""Known pans by real encoders: what is read has exactly that motion, and what may not have it is refused by name."""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from hybridnet.errors import TranscodeNeeded, VideoError
from hybridnet.video import read_gops
from hybridnet.video.references import References

Write = Callable[..., Path]

FRAMES, GOP = 14, 12
DAMAGED = 300  # files of each
PAN = np.array([2, 1])  # pixels a frame, right and down
SIZE = (96, 128)
MARGIN = 36
REMEDY = (
    r"; transcode it: hybridnet prepare VIDEO -o CACHE, or encode it progressive with one reference frame \(refs=1\)"
)
MANY, OTHER, FIELDS = r"may refer to any of \d+ pictures", "other pictures than the frame before", "interlaced"
CONTAINERS = ["a.mp4", "a.mkv", "a.ts", "a.avi", "a.flv", "a.h264"]

X264 = {  # x264's parameters of streams whose P-frames refer to the frame before
    "usual": "ref=1",
    "weights": "ref=1:weightp=2",
    "three in store": "ref=1:dpb-size=3:weightp=0",
    "slices": "ref=1:slices=3",
    "baseline": "ref=1:cabac=0:8x8dct=0",
    "scaling lists": "ref=1:cqm=jvt",
    "flagged as interlaced": "ref=1:fake-interlaced=1",
    "short GOPs": "ref=1:keyint=5:min-keyint=1",
    "parameter sets with every GOP": "ref=1:repeat-headers=1",
    "access unit delimiters": "ref=1:aud=1:nal-hrd=vbr:vbv-maxrate=2000:vbv-bufsize=2000",
}
X264_REFUSED = {
    "usual": ("", MANY),
    "two": ("ref=2", MANY),
    "sixteen": ("ref=16", MANY),
    "no weights": ("ref=3:weightp=0", MANY),
    "slices": ("ref=3:slices=3", MANY),
    "interlaced": ("ref=1:interlaced=1:tff=1", FIELDS),
}
OTHERS = {  # container, codec, options
    "MPEG-4": ("a.avi", "mpeg4", {}),
    "MPEG-4, quarter pixels": ("a.avi", "mpeg4", {"flags": "+qpel"}),
    "MPEG-4, four vectors": ("a.mp4", "mpeg4", {"flags": "+mv4"}),
    "MPEG-2": ("a.mpg", "mpeg2video", {}),
    "MPEG-1": ("a.mpg", "mpeg1video", {}),
    "WMV 7": ("a.avi", "wmv1", {}),
    "WMV 8": ("a.avi", "wmv2", {}),
    "MS MPEG-4 2": ("a.avi", "msmpeg4v2", {}),
    "MS MPEG-4 3": ("a.avi", "msmpeg4", {}),
    "Sorenson": ("a.flv", "flv", {}),
    "H.263": ("a.avi", "h263", {}),
    "H.263+": ("a.avi", "h263p", {"flags": "+mv4", "umv": "1", "obmc": "1"}),
    "Snow": ("a.avi", "snow", {"refs": "1"}),
    "Snow, quarter pixels": ("a.avi", "snow", {"refs": "1", "flags": "+qpel"}),
}
OTHERS_REFUSED = {
    "MPEG-4": ("a.avi", "mpeg4", {"flags": "+ildct+ilme"}, FIELDS),
    "MPEG-2": ("a.mpg", "mpeg2video", {"flags": "+ildct+ilme"}, FIELDS),
    "Snow": ("a.avi", "snow", {"refs": "3"}, OTHER),
}


def pan(by: np.ndarray = PAN) -> list[np.ndarray]:
    """A texture moved by whole pixels, so that frame t + 1 at i is frame t at i + `by`."""
    height, width = SIZE
    texture = (
        np.random.default_rng(0).integers(0, 256, (height + FRAMES * by[1], width + FRAMES * by[0], 3)).astype(float)
    )
    for _ in range(3):
        texture += np.roll(texture, 1, 0) + np.roll(texture, 1, 1) + np.roll(texture, (1, 1), (0, 1))
        texture /= 4
    texture = ((texture - texture.min()) * 255 / np.ptp(texture)).astype(np.uint8)
    return [texture[t * by[1] : t * by[1] + height, t * by[0] : t * by[0] + width] for t in range(FRAMES)]


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def assert_pans(path: Path) -> None:
    for gop in read_gops(path):
        assert not gop.corrupt
        assert len(gop.motion) == gop.length - 1
        for place, motion in zip(gop.positions, gop.motion, strict=True):
            assert (motion[MARGIN:-MARGIN, MARGIN:-MARGIN] == -PAN * place).all()


def refuses(path: Path, cause: str) -> None:
    with pytest.raises(TranscodeNeeded) as caught:
        list(read_gops(path))
    assert re.fullmatch(re.escape(f"{path}: GOP 0: ") + f"its P-frames [^;]*{cause}[^;]*" + REMEDY, str(caught.value))


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("way", X264)
def test_h264_that_is_read(way: str, name: str, write_video: Write) -> None:
    assert_pans(write_video(name, pan(), "libx264", options={"x264-params": X264[way]}))


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("way", X264_REFUSED)
def test_h264_that_is_refused(way: str, name: str, write_video: Write) -> None:
    parameters, cause = X264_REFUSED[way]
    refuses(write_video(name, pan(), "libx264", options={"x264-params": parameters, "refs": "-1"}), cause)


@pytest.mark.parametrize("way", OTHERS)
def test_other_codecs_that_are_read(way: str, write_video: Write) -> None:
    name, codec, options = OTHERS[way]
    assert_pans(write_video(name, pan(), codec, options=options))


@pytest.mark.parametrize("way", OTHERS_REFUSED)
def test_other_codecs_that_are_refused(way: str, write_video: Write) -> None:
    name, codec, options, cause = OTHERS_REFUSED[way]
    refuses(write_video(name, pan(), codec, options=options), cause)


@pytest.mark.parametrize(
    ("name", "codec", "options", "is_interlaced"),
    [
        ("a.mp4", "libx264", {"refs": "3"}, False),
        ("a.mp4", "libx264", {"x264-params": "interlaced=1:tff=1"}, True),
        ("a.avi", "mpeg4", {"flags": "+ildct+ilme"}, True),
        ("a.mpg", "mpeg2video", {"flags": "+ildct+ilme"}, True),
    ],
)
def test_what_is_refused_would_be_wrong(
    name: str, codec: str, options: dict, is_interlaced: bool, write_video: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames, moved = pan(), PAN
    if is_interlaced:  # the lines of one field, three lines further than those of the other
        fields, moved = pan(by=np.array([0, 3])), np.array([0, 6])
        frames = [np.where(np.arange(SIZE[0])[:, None, None] % 2, b, a) for a, b in pairwise(fields)][::2]
    monkeypatch.setattr(References, "check", lambda *_: False)
    monkeypatch.setattr(References, "check_frame", lambda *_: None)
    gop = next(read_gops(write_video(name, frames, codec, options=options)))
    last = gop.motion[-1, MARGIN:-MARGIN, MARGIN:-MARGIN]
    assert (last != -moved * gop.positions[-1]).any()


@pytest.mark.parametrize(("height", "width", "byte"), [(96, 128, 4), (70, 90, 6), (48, 300, 8)])
def test_frame_before_is_disposable(
    height: int, width: int, byte: int, moving_texture: Callable, write_video: Write, tmp_path: Path
) -> None:
    """FFmpeg's encoder of Sorenson's H.263 writes none, so the type of a P-frame, two bits, is changed from 1 to 2."""
    source = write_video("a.flv", moving_texture(GOP + 1, height, width), "flv")
    starts = [source.read_bytes().index(packet) for packet in packets(source)]
    for number, is_read in ((4, False), (GOP - 1, True)):
        data = bytearray(source.read_bytes())
        assert data[starts[number] + byte] & 0x60 == 0x20
        data[starts[number] + byte] ^= 0x60
        path = tmp_path / f"{number}.flv"
        path.write_bytes(data)
        if is_read:
            assert [gop.length for gop in read_gops(path)] == [GOP, 1]
        else:
            refuses(path, OTHER)


def test_global_motion_is_refused(write_video: Write, tmp_path: Path) -> None:
    """S-frames, made here: a plain stream with its header rewritten, its I-frame, and a frame of skipped blocks."""
    source = write_video("plain.m4v", [frame[:48, :64] for frame in pan()], muxer="m4v")
    head, layer, rest = source.read_bytes().partition(b"\0\0\1\x20")
    end = rest.index(b"\0\0\1")
    bits = f"{int.from_bytes(rest[:end]):0{8 * end}b}"
    assert bits[9:14] == "10001"  # version 1
    assert bits[78:85] == "0001100"  # no sprite and so on, up to the last
    sprite = "10" + "000000" + "00" + "0"  # global motion without points: as it is
    layer += as_bytes(bits[:10] + "0010" + bits[14:78] + sprite + "000" + "11" + "0000")
    iframe, start, _ = rest[end:].partition(b"\0\0\1\xb6\x50")
    frame = "11" + "01" + "00001" + "11" + "0" + "000" + "00101" + "001" + "1" * 12
    path = tmp_path / "global.m4v"
    path.write_bytes(head + layer + iframe + start[:4] + as_bytes(frame))
    with pytest.raises(TranscodeNeeded, match="has S-frames"):
        list(read_gops(path))


def as_bytes(bits: str) -> bytes:
    """Bits with MPEG-4's stuffing: a zero, then ones."""
    bits += "0"
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8)


def test_new_header_in_the_middle(write_video: Write, tmp_path: Path) -> None:
    first = write_video("first.flv", pan(), "libx264", options={"x264-params": "cabac=0:8x8dct=0"}).read_bytes()
    for references, is_read in (("ref=1:dpb-size=2", True), ("ref=2", False)):
        options = {"x264-params": f"weightp=0:{references}"}
        second = write_video("second.flv", pan(), "libx264", gop=FRAMES, options=options).read_bytes()
        path = tmp_path / f"{is_read}.flv"
        path.write_bytes(first + second[13:])  # without its file header
        if is_read:
            assert_pans(path)
        else:
            with pytest.raises(TranscodeNeeded, match=f"GOP 2: .* {MANY}"):
                list(read_gops(path))


def test_header_that_cannot_be_read_is_damage(write_video: Write, tmp_path: Path) -> None:
    source = write_video("a.mp4", pan(), "libx264")
    data = bytearray(source.read_bytes())
    start = data.index(packets(source)[3])
    data[start + 5 : start + 13] = bytes(8)
    path = tmp_path / "unreadable.mp4"
    path.write_bytes(data)
    assert [gop.corrupt for gop in read_gops(path)] == [True, False]
    with pytest.raises(VideoError, match="GOP 0 is damaged"):
        list(read_gops(path, strict=True))


@pytest.mark.parametrize("name", ["a.mp4", "a.h264", "a.flv"])
def test_damaged_headers(name: str, write_video: Write, tmp_path: Path) -> None:
    """Bytes changed where packets begin, where a raw file has its parameter sets too, and in an MP4's or FLV's."""
    codec = "flv" if name == "a.flv" else "libx264"
    source = write_video(name, [frame[:48, :64] for frame in pan()], codec)
    whole, rng = source.read_bytes(), np.random.default_rng(0)
    places = [whole.index(packet) for packet in packets(source)]
    if name == "a.mp4":
        places.append(whole.index(b"avcC"))
    path = tmp_path / name
    kept, lines = 0, []
    for _ in range(DAMAGED):
        data = bytearray(whole)
        for at in rng.choice(places, 3) + rng.integers(0, 40, 3):
            data[min(at, len(data) - 1)] ^= 1 << rng.integers(8)
        path.write_bytes(data)
        try:
            kept += sum(not gop.corrupt for gop in read_gops(path))
        except VideoError as error:
            lines.append(str(error))
    assert kept
    assert all(re.fullmatch(re.escape(f"{path}: ") + ".*", line) for line in lines)
