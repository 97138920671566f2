"""Chosen GOPs: what a read from end to end finds, without reading all of the file, whatever its index says."""

import io
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from hybridnet.errors import VideoError
from hybridnet.video import Gop, probe, read_gops
from packets import remux

Frames = Callable[..., list[np.ndarray]]
Write = Callable[..., Path]
KEY = 0x10  # flag of an AVI index entry


def assert_same(gop: Gop, other: Gop) -> None:
    for field in fields(Gop):
        np.testing.assert_array_equal(getattr(gop, field.name), getattr(other, field.name))


def add_audio(video: Path, target: Path) -> Path:
    """Copy a video's packets, with a packet of silence after each."""
    with av.open(str(video)) as reading, av.open(str(target), "w") as writing:
        stream = writing.add_stream_from_template(reading.streams.video[0])
        silence = writing.add_stream("pcm_s16le", rate=8000, layout="mono")
        for number, packet in enumerate(reading.demux(video=0)):
            if packet.dts is not None:
                packet.stream = stream
                writing.mux(packet)
                sound = av.AudioFrame.from_ndarray(np.zeros((1, 320), np.int16), "s16", "mono")
                sound.sample_rate, sound.pts, sound.time_base = 8000, 320 * number, Fraction(1, 8000)
                writing.mux(silence.encode(sound))
        writing.mux(silence.encode(None))
    return target


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        *(("a.avi", "mpeg4"), ("a.mp4", "mpeg4"), ("a.mp4", "libx264"), ("a.avi", "libx264"), ("a.mov", "mpeg4")),
        *(("a.mkv", "mpeg4"), ("a.mpg", "mpeg2video"), ("a.avi", "msmpeg4"), ("a.flv", "flv"), ("sound.avi", "mpeg4")),
    ],
)
def test_chosen_gops_equal_the_full_read(
    name: str, codec: str, moving_texture: Frames, write_video: Write, tmp_path: Path
) -> None:
    path = write_video(name.replace("sound", "mute"), moving_texture(26, 48, 64), codec, gop=6)
    if name == "sound.avi":
        path = add_audio(path, tmp_path / name)
    full = list(read_gops(path))
    assert [(gop.start, gop.length) for gop in full] == [(0, 6), (6, 6), (12, 6), (18, 6), (24, 2)]
    for options in ({}, {"max_p": 2}, {"positions": [3, 5]}):
        full = list(read_gops(path, **options))
        for chosen in ([0], [3], [4], [1, 3], [0, 2, 4]):
            for gop, index in zip(read_gops(path, gops=chosen, **options), chosen, strict=True):
                assert_same(gop, full[index])
    with pytest.raises(VideoError, match="GOP 5 was asked for, but the last one is 4"):
        list(read_gops(path, gops=[1, 5]))


class Counted(io.FileIO):
    """A file that counts the bytes read from it."""

    bytes_read = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(-1 if size is None else size)
        self.bytes_read += len(data)
        return data


@pytest.mark.parametrize("name", ["late.mp4", "late.avi", "late.mkv"])
def test_last_gop_of_a_stream_that_starts_on_a_p_frame(name: str, mpeg4_video: Path, tmp_path: Path) -> None:
    path = remux(mpeg4_video, tmp_path / name, first=5)
    full = list(read_gops(path))
    assert [(gop.start, gop.length) for gop in full] == [(0, 12), (12, 12), (24, 4)]
    for chosen in ([2], [0, 2], [1, 2]):
        for gop, index in zip(read_gops(path, gops=chosen), chosen, strict=True):
            assert_same(gop, full[index])
    with pytest.raises(VideoError, match="GOP 3 was asked for, but the last one is 2"):
        list(read_gops(path, gops=[3]))


@pytest.mark.parametrize("name", ["long.avi", "long.mp4"])
def test_a_jump_reads_a_small_part_of_the_file(name: str, moving_texture: Frames, write_video: Write) -> None:
    path = write_video(name, moving_texture(480, 64, 96))
    assert len(probe(path).keyframes) == 40
    with Counted(path) as whole:
        *_, expected, _ = read_gops(whole)
    with Counted(path) as part:
        (gop,) = read_gops(part, gops=[38])
    assert_same(gop, expected)
    assert whole.bytes_read >= path.stat().st_size
    assert part.bytes_read < path.stat().st_size / 4


def move_an_entry(data: bytearray, index: int) -> None:
    """The sixth entry leads to where the seventh chunk is."""
    data[index + 16 * 5 + 8 : index + 16 * 5 + 12] = data[index + 16 * 6 + 8 : index + 16 * 6 + 12]


def shift_all(data: bytearray, index: int) -> None:
    for at in range(index + 8, len(data) - 4, 16):
        data[at : at + 4] = struct.pack("<I", struct.unpack_from("<I", data, at)[0] + 2)


def move_a_key_flag(data: bytearray, index: int) -> None:
    data[index + 16 * 12 + 4], data[index + 16 * 13 + 4] = 0, KEY


def lose_a_key_flag(data: bytearray, index: int) -> None:
    data[index + 16 * 12 + 4] = 0


def other_size(data: bytearray, index: int) -> None:
    data[index + 16 * 14 + 12 : index + 16 * 14 + 16] = struct.pack("<I", 5)


def cut_off(data: bytearray, index: int) -> None:
    del data[index + 16 * 20 :]


def repeat_an_entry(data: bytearray, index: int) -> None:
    data[index + 16 * 8 : index + 16 * 9] = data[index + 16 * 7 : index + 16 * 8]


def no_index(data: bytearray, index: int) -> None:
    del data[index - 8 :]


LIES = [
    move_an_entry, shift_all, move_a_key_flag, lose_a_key_flag, other_size, cut_off, repeat_an_entry, no_index,
]  # fmt: skip


def read_until_error(path: Path, chosen: list[int] | None) -> tuple[list[Gop], str]:
    gops = []
    try:
        gops.extend(read_gops(path, gops=chosen))
    except VideoError as error:
        return gops, str(error)
    return gops, ""


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_an_index_that_lies_gives_no_other_pictures(lie: Callable, mpeg4_video: Path, tmp_path: Path) -> None:
    data = bytearray(mpeg4_video.read_bytes())
    lie(data, data.rindex(b"idx1") + 8)
    path = tmp_path / "lies.avi"
    path.write_bytes(data)
    full, stop = read_until_error(path, None)
    for index in range(4):
        some, refusal = read_until_error(path, [index])
        if index < len(full):
            assert_same(some[0], full[index])
        else:
            assert stop or "was asked for" in refusal


def lose(video: Path, number: int, target: Path) -> Path:
    """The video with another name for one of its chunks, which FFmpeg then passes over."""
    data = bytearray(video.read_bytes())
    with av.open(str(video)) as container:
        chunk = container.streams.video[0].index_entries[number].pos
    data[chunk : chunk + 4] = b"junk"
    target.write_bytes(data)
    return target


def test_packets_other_than_the_index_has_them(mpeg4_video: Path, tmp_path: Path) -> None:
    path = lose(mpeg4_video, 14, tmp_path / "lost.avi")
    full = list(read_gops(path))
    assert [(gop.length, gop.corrupt) for gop in full] == [(12, False), (11, True), (12, False), (4, False)]
    # GOP 2 starts at the 24th frame of the video, though one of them is gone, however it is come by
    assert [gop.start for gop in full] == [0, 12, 24, 36]
    for chosen in ([1], [2], [3], [0, 2], [1, 3]):
        for gop, index in zip(read_gops(path, gops=chosen), chosen, strict=True):
            assert_same(gop, full[index])
    with pytest.raises(VideoError, match="GOP 1 is damaged"):
        list(read_gops(path, strict=True))


def test_a_lost_key_packet_is_damage_of_the_gop_before(mpeg4_video: Path, tmp_path: Path) -> None:
    path = lose(mpeg4_video, 12, tmp_path / "lost.avi")
    assert [(gop.start, gop.length, gop.corrupt) for gop in read_gops(path)] == [
        (0, 23, True), (24, 12, False), (36, 4, False),
    ]  # fmt: skip


@pytest.mark.parametrize("number", [12, 24, 36])
def test_gops_are_numbered_alike_by_jump_and_in_sequence(number: int, mpeg4_video: Path, tmp_path: Path) -> None:
    path = lose(mpeg4_video, number, tmp_path / "lost.avi")
    full = list(read_gops(path))
    assert len(full) == 3  # one of four has lost its beginning
    for options in ({}, {"positions": [2]}):
        full = list(read_gops(path, **options))
        for chosen in ([0], [1], [2], [0, 1], [0, 2], [1, 2]):
            for gop, index in zip(read_gops(path, gops=chosen, **options), chosen, strict=True):
                assert_same(gop, full[index])
    with pytest.raises(VideoError, match="GOP 3 was asked for, but the last one is 2"):
        list(read_gops(path, gops=[3]))


def test_packets_lost_at_the_end_of_a_gop_leave_the_next_whole(mpeg4_video: Path, tmp_path: Path) -> None:
    gops = list(read_gops(lose(mpeg4_video, 11, tmp_path / "lost.avi")))
    assert [(gop.length, gop.corrupt) for gop in gops] == [(11, False), (12, False), (12, False), (4, False)]
    assert_same(gops[1], list(read_gops(mpeg4_video))[1])


PEAK = """
import resource, sys
from hybridnet.video import read_gops
for gop in read_gops(sys.argv[1]):
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_a_longer_video_takes_no_more_memory(moving_texture: Frames, write_video: Write, tmp_path: Path) -> None:
    short = write_video("short.m4v", moving_texture(36, 128, 160), muxer="m4v")
    long = tmp_path / "long.m4v"
    long.write_bytes(10 * short.read_bytes())
    assert probe(long).packets == 360
    environment = {**os.environ, "NUMBA_NUM_THREADS": "1"}
    peaks = [
        int(subprocess.run([sys.executable, "-c", PEAK, path], capture_output=True, check=True, env=environment).stdout)
        for path in (short, long)
    ]
    assert peaks[1] - peaks[0] < 4000  # kilobytes; the frames of ten times as much would be 13,000 more as they decode
