"""`hybridnet inspect VIDEO`: what it says of real files."""

import json
import struct
from functools import partial
from pathlib import Path

import av
import pytest

from command import Command
from deploy.views.video import examine_video
from packets import remux, spans
from panning import encode


@pytest.fixture
def inspect(hybridnet: Command) -> Command:
    """`hybridnet inspect` with these arguments: exit code, stdout, stderr."""
    return partial(hybridnet, "inspect")


def test_words_of_a_shipped_clip(inspect: Command, clip: Path) -> None:
    code, out, err = inspect(clip)
    assert (code, err) == (0, "")
    assert "mpeg4, 128x128, 36 frames" in out
    assert "3 of 12 frames" in out
    assert "usable as it is: 3 clips" in out


def test_facts_as_json(inspect: Command, clip: Path) -> None:
    facts = json.loads(inspect(clip, "--json")[1])
    assert (facts["codec"], facts["frames"], facts["gop_lengths"]) == ("mpeg4", 36, [12, 12, 12])
    assert (facts["verdict"], facts["clips"]) == ("usable", 3)
    assert 0 <= facts["intra_share"] < 1


def test_file_that_breaks_off(inspect: Command, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.avi").write_bytes(clip.read_bytes()[:-3000])
    assert "damaged: the file breaks off" in inspect(tmp_path / "cut.avi")[1]
    assert json.loads(inspect(tmp_path / "cut.avi", "--json")[1])["cut"] is True
    assert json.loads(inspect(clip, "--json")[1])["cut"] is False


def test_mp4_that_breaks_off_is_described_up_to_there(inspect: Command, clip: Path, tmp_path: Path) -> None:
    path = remux(clip, tmp_path / "cut.mp4", movflags="faststart")
    path.write_bytes(path.read_bytes()[: spans(path)[30][0]])
    code, out, err = inspect(path, "--png", tmp_path / "a.png")
    assert (code, err) == (0, "")
    assert "3: 2 of 12 frames, 1 of 6 frames\nintra share: " in out
    assert "\ndamaged: some of the GOPs looked at\ndamaged: the file breaks off\nmust be transcoded" in out
    assert "damaged after packet 30 (the file ends before its index does)" in out
    assert json.loads(inspect(path, "--json")[1])["cut"] is True


def test_damage_of_the_last_gop_is_seen_where_the_file_breaks_off(clip: Path, tmp_path: Path) -> None:
    with av.open(str(clip)) as container:
        ends = [packet.pos + packet.size + packet.size % 2 for packet in container.demux(video=0) if packet.size]
    path = tmp_path / "cut.avi"
    path.write_bytes(clip.read_bytes()[: ends[29]])  # two whole GOPs, which are sampled, and half a third
    facts = examine_video(path)
    assert (facts.corrupt, facts.cut, facts.clips, facts.verdict) == (True, True, 2, "sampled")


@pytest.mark.parametrize("codec", ["mpeg4", "libvpx-vp9"])
@pytest.mark.parametrize("frames", [1, 11])
def test_too_short_for_any_transcode(inspect: Command, tmp_path: Path, codec: str, frames: int) -> None:
    path = encode(tmp_path / "short.mkv", codec, frames)
    facts = json.loads(inspect(path, "--json")[1])
    assert (facts["verdict"], facts["clips"]) == ("unusable", 0)
    counted = f"{frames} frame{'' if frames == 1 else 's'}"
    assert f"cannot be used: it has {counted} and a clip takes 12; give a longer video" in inspect(path)[1]


@pytest.mark.parametrize(
    ("matrix", "verdict", "words"),
    [
        ((0, 1, -1, 0), "transcode", "turned by -90 degrees"),
        ((-1, 0, 0, 1), "transcode", "its pictures are to be mirrored;"),
        ((1, 0, 0, -1), "transcode", "its pictures are to be mirrored;"),
        ((0, 1, 1, 0), "transcode", "its pictures are to be mirrored and turned;"),
        ((0.8, 0.6, -0.6, 0.8), "unusable", "only quarter turns are known; turn it with a video editor first"),
    ],
)
def test_turned_and_mirrored(
    inspect: Command, matrix: tuple[float, ...], verdict: str, words: str, tmp_path: Path
) -> None:
    path = encode(tmp_path / "turned.mp4", "mpeg4", 12, g="12")
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44  # the display matrix, in 16.16 and 2.30
    a, b, c, d = (round(value * 2**16) for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 2**30)
    path.write_bytes(data)
    facts = examine_video(path)
    assert facts.verdict == verdict
    assert words in facts.reason
    assert facts.intra_share is not None
    code, out, err = inspect(path, "--png", tmp_path / "a.png")
    if verdict == "transcode":
        assert "GOP 0 of the transcoded copy" in out
    else:
        assert (code, out) == (1, "")
        assert words in err
    assert (tmp_path / "a.png").exists() == (verdict == "transcode")


def test_sampled(tmp_path: Path) -> None:
    # 125 frames are ten GOPs of 12 and one of 5; a video gives at most eight clips
    facts = examine_video(encode(tmp_path / "long.avi", "mpeg4", 125, g="12", bf="0", sc_threshold="1000000000"))
    assert (facts.verdict, facts.clips) == ("sampled", 8)
    assert "10 of 11 GOPs" in facts.reason


@pytest.mark.parametrize(
    ("name", "codec", "options", "words"),
    [
        ("new.webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}, "vp9 exports no motion vectors"),
        ("b.mp4", "mpeg4", {"g": "24", "bf": "2", "sc_threshold": "1000000000"}, "B-frames"),
        ("short.avi", "mpeg4", {"g": "6", "bf": "0", "sc_threshold": "1000000000"}, "longest GOP has 6 frames"),
    ],
)
def test_must_be_transcoded(
    inspect: Command, tmp_path: Path, name: str, codec: str, options: dict[str, str], words: str
) -> None:
    code, out, _ = inspect(encode(tmp_path / name, codec, 26, **options))
    assert code == 0
    assert "must be transcoded (run, energy and simulate do, in memory): " in out
    assert words in out
    assert "hybridnet prepare" in out


def test_h264_with_several_references(tmp_path: Path, inspect: Command) -> None:
    video = encode(tmp_path / "three.mp4", "libx264", 24, g="12", bf="0", refs="3")
    code, printed, _ = inspect(video)
    assert code == 0
    assert "in memory): GOP 0: its P-frames may refer to any of 3 pictures (H.264 reference frames), FFmpeg" in printed
    video = encode(tmp_path / "one.mp4", "libx264", 24, g="12", bf="0", refs="1", sc_threshold="0")
    assert "usable as it is: 2 clips" in inspect(video)[1]
