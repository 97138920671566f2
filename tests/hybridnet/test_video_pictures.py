"""What is said of damage while a whole video is decoded: on real files, damaged by hand in known places."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from hybridnet.errors import TranscodeNeeded, VideoError
from hybridnet.video import Damage, Preprocessing, Recipe, probe, read_gops, sample_clips, transcode
from hybridnet.video.pictures import survey
from packets import remux, spans

Frames = Callable[..., list[np.ndarray]]
Write = Callable[..., Path]
VP9 = {"deadline": "realtime", "cpu-used": "8"}
KINDS = [
    ("a.avi", "mpeg4", 0, {}),
    ("b.mp4", "mpeg4", 2, {}),
    ("h.mp4", "libx264", 2, {}),
    ("h.mkv", "libx264", 0, {}),
    ("v.webm", "libvpx-vp9", 0, VP9),
    ("t.ts", "libx264", 0, {}),
]  # fmt: skip


@pytest.fixture(params=KINDS, ids=lambda kind: f"{kind[0]}-{kind[1]}")
def video(request: pytest.FixtureRequest, moving_texture: Frames, write_video: Write) -> Path:
    """40 frames in GOPs of 12."""
    name, codec, b_frames, options = request.param
    return write_video(name, moving_texture(40, 70, 90), codec, b_frames=b_frames, options=options)


def test_nothing_is_said_of_a_whole_file(video: Path) -> None:
    found = survey(video)
    assert (found.packets, found.frames, found.damage) == (40, 40, Damage())
    assert transcode(video, io.BytesIO(), Recipe(64, 48)) == found
    with video.open("rb") as file:
        assert survey(file) == found


def test_cut_files_say_so_as_far_as_their_headers_allow(video: Path, tmp_path: Path) -> None:
    position, size = spans(video)[25]
    cut = tmp_path / video.name
    cut.write_bytes(video.read_bytes()[: position + size // 2])
    if video.suffix == ".mp4":  # what is needed to read it stood at its end
        with pytest.raises(VideoError, match="cannot be opened"):
            survey(cut)
    else:
        found = survey(cut)
        assert 25 <= found.frames <= 26
        assert found.damage.cut


def test_mp4_that_ends_before_its_index(h264_video: Path, tmp_path: Path) -> None:
    path = tmp_path / "fast.mp4"
    remux(h264_video, path, movflags="faststart")
    position, _ = spans(path)[15]
    path.write_bytes(path.read_bytes()[:position])
    found = survey(path)
    assert (found.packets, found.frames, found.damage) == (15, 15, Damage(cut=True))
    assert str(found.damage) == "the file breaks off"


def test_a_live_stream_has_no_length(moving_texture: Frames, write_video: Write, tmp_path: Path) -> None:
    source = write_video("v.webm", moving_texture(14, 48, 64), "libvpx-vp9", options=VP9)
    path = tmp_path / "live.webm"
    remux(source, path, live="1")
    assert survey(path).damage == Damage()


@pytest.mark.parametrize("codec", ["mpeg4", "libx264", "libx265"])
def test_lost_frames_are_counted(codec: str, moving_texture: Frames, write_video: Write, tmp_path: Path) -> None:
    options = {"preset": "ultrafast", "x265-params": "log-level=none"} if codec == "libx265" else None
    video = write_video("a.mp4", moving_texture(30, 70, 90), codec, options=options)
    position, size = spans(video)[14]
    data = bytearray(video.read_bytes())
    data[position : position + size] = bytes(size)
    lost = tmp_path / "lost.mp4"
    lost.write_bytes(data)
    found = survey(lost)
    with av.open(str(lost)) as container:
        shown = 0
        for packet in container.demux(video=0):
            try:
                shown += len(packet.decode())
            except av.error.FFmpegError:
                continue
    assert found.damage.lost == 30 - shown > 0
    assert found.frames == shown


def test_concealed_frames_are_counted(mpeg4_video: Path, tmp_path: Path) -> None:
    data = bytearray(mpeg4_video.read_bytes())
    for packet in (14, 27):
        position, size = spans(mpeg4_video)[packet]
        for at in range(position + 40, position + size - 8, 16):
            data[at] ^= 0xFF
    flipped = tmp_path / "flipped.avi"
    flipped.write_bytes(data)
    found = survey(flipped)
    assert (found.frames, found.damage) == (40, Damage(concealed=2))
    assert str(found.damage) == "2 frames concealed"


def test_a_new_decoder_flags_what_one_in_use_does(moving_texture: Frames, write_video: Write) -> None:
    """The first P-frame of a GOP that a decoder of its own reads, with a bit flipped in each of its bytes in turn."""
    video = write_video("a.flv", moving_texture(36, 96, 128), "flv")
    data, told = video.read_bytes(), 0
    for packet in (13, 25):
        position, size = spans(video)[packet]
        for at in range(position + 20, position + size):  # behind the header
            flipped = io.BytesIO(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            if survey(flipped).damage:
                told += 1
                assert any(gop.corrupt for gop in read_gops(flipped))
    assert told > 20


def test_frames_before_the_first_key_frame_are_lost(mpeg4_video: Path, tmp_path: Path) -> None:
    path = tmp_path / "late.avi"
    remux(mpeg4_video, path, first=5)
    found = survey(path)
    assert (found.packets, found.frames, found.damage) == (35, 28, Damage(lost=7))
    assert str(found.damage) == "7 frames lost"


def test_mpeg_ts_in_which_another_stream_appears(moving_texture: Frames, write_video: Write, tmp_path: Path) -> None:
    """By one bit of damage: the last frame claims to be of a stream that nothing has announced."""
    data = bytearray(write_video("whole.ts", moving_texture(36, 96, 128), "mpeg2video").read_bytes())
    video = 0x100
    heads = [at for at in range(0, len(data), 188) if int.from_bytes(data[at + 1 : at + 3]) == 0x4000 | video]
    data[heads[-1] + 2] ^= 1
    path = tmp_path / "stray.ts"
    path.write_bytes(data)
    gops = list(read_gops(path))
    assert [gop.corrupt for gop in gops] == [*[False] * (len(gops) - 1), True]
    where = r"stray\.ts: damaged after packet \d+ \(another stream begins"
    assert re.search(where, str(probe(path).breaks_off))
    with pytest.raises(TranscodeNeeded, match=where):
        sample_clips(path, Preprocessing(size=32, short_side=32))
    found = survey(path)
    assert found.damage.cut
    assert 30 <= found.frames < 36
