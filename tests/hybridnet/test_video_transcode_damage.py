"""`transcode` on files that are damaged or no videos, and on a full disk: what decodes is kept, or nothing is left."""

import io
import os
import resource
from pathlib import Path

import av
import numpy as np
import pytest

from hybridnet.errors import OutputError, VideoError
from hybridnet.video import Recipe, probe, transcode
from packets import remux, spans
from transcoding import SIZE, decode, difference, encode, refusal, smooth, transcoded


def test_damage_costs_only_what_does_not_decode(mpeg4_video: Path, tmp_path: Path) -> None:
    data = bytearray(mpeg4_video.read_bytes())
    position, size = spans(mpeg4_video)[15]
    data[position : position + size] = bytes(size)
    source = tmp_path / "damaged.avi"
    source.write_bytes(data)
    whole, found = decode(transcoded(mpeg4_video)), decode(transcoded(source))
    assert 38 <= len(found) <= 40
    np.testing.assert_array_equal(found[:12], whole[:12])
    assert difference(found[-1], whole[-1]) < 5  # damage ends with its GOP


def test_file_that_breaks_off(tmp_path: Path) -> None:
    source = encode(tmp_path / "a.ts", smooth(27), "libx264")
    data = source.read_bytes()
    source.write_bytes(data[: len(data) // 2])
    assert 3 < probe(transcoded(source)).packets < 27


def test_frames_before_the_first_key_frame_are_dropped(mpeg4_video: Path, tmp_path: Path) -> None:
    remux(mpeg4_video, tmp_path / "late.avi", first=5)
    found = decode(transcoded(tmp_path / "late.avi"))
    assert len(found) == 28
    np.testing.assert_array_equal(found[0], decode(transcoded(mpeg4_video))[12])


def test_no_frame_decodes(h264_video: Path, tmp_path: Path) -> None:
    data = bytearray(h264_video.read_bytes())
    for position, size in spans(h264_video):
        data[position : position + size] = bytes(size)
    source = tmp_path / "nothing.mp4"
    source.write_bytes(data)
    assert "no frame can be decoded" in refusal(source, tmp_path)


def test_audio_only(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "song.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert "no video stream" in refusal(tmp_path / "song.wav", tmp_path)


@pytest.mark.parametrize("content", [b"", b"a line of words\n" * 300])
def test_text_and_nothing_at_all(content: bytes, tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    source.write_bytes(content)
    assert "video" in refusal(source, tmp_path)


def test_missing_and_folder(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "none.mp4", tmp_path)
    with pytest.raises(VideoError, match="folder"):
        transcode(tmp_path, io.BytesIO(), SIZE)


@pytest.mark.parametrize("room", [0, 0.1, 0.5, 0.99])
def test_full_disk_leaves_nothing(room: float, mpeg4_video: Path, tmp_path: Path) -> None:
    needed = len(transcoded(mpeg4_video, Recipe(quality=1)).getvalue())
    # a file size limit stands in for the full disk: the same OSError out of the same write
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(room * needed), limits[1]))
    try:
        with pytest.raises(OutputError, match="nothing was kept"):
            transcode(mpeg4_video, tmp_path / "a.avi", Recipe(quality=1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(tmp_path) == []
