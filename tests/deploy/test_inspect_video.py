"""`hybridnet inspect VIDEO`: what it says of real files, the picture it draws, and its errors."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from deploy.cli import main
from deploy.video_picture import draw_gop, motion_colours, residual_colours
from deploy.video_view import examine_video
from hybridnet.errors import VideoError

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def inspect(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """`hybridnet inspect` with these arguments: exit code, stdout, stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hybridnet", "inspect", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        return (left.value.code, *capsys.readouterr())

    return call


def encode(path: Path, codec: str, frames: int, **options: str) -> Path:
    """A panning texture, 64x48."""
    picture = np.random.default_rng(0).integers(0, 256, (48, 128, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=24, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(frames):
            part = np.ascontiguousarray(picture[:, i % 32 : i % 32 + 64])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(part, "rgb24")))
        container.mux(stream.encode())
    return path


def assert_one_line(done: tuple[int, str, str], *words: str) -> None:
    code, out, err = done
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    for word in words:
        assert word in err


def read_png(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


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


def test_sampled(tmp_path: Path) -> None:
    # 125 frames are ten GOPs of 12 and one of 5; a video gives at most eight clips
    facts = examine_video(encode(tmp_path / "long.avi", "mpeg4", 125, g="12", bf="0", sc_threshold="1000000000"))
    assert (facts.verdict, facts.clips) == ("sampled", 8)
    assert "10 of 11 GOPs" in facts.reason


@pytest.mark.parametrize(
    ("name", "codec", "options", "words"),
    [
        ("new.webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}, "vp9 exports no motion vectors"),
        ("b.mp4", "mpeg4", {"g": "24", "bf": "2"}, "B-frames"),
        ("short.avi", "mpeg4", {"g": "6", "bf": "0", "sc_threshold": "1000000000"}, "longest GOP has 6 frames"),
    ],
)
def test_must_be_transcoded(
    inspect: Command, tmp_path: Path, name: str, codec: str, options: dict[str, str], words: str
) -> None:
    code, out, _ = inspect(encode(tmp_path / name, codec, 26, **options))
    assert code == 0
    assert "must be transcoded" in out
    assert words in out
    assert "ffmpeg -i" in out


def test_picture(inspect: Command, clip: Path, tmp_path: Path) -> None:
    code, out, _ = inspect(clip, "--png", tmp_path / "gop.png", "--gop", 1)
    assert code == 0
    assert "gop.png: GOP 1" in out
    assert (tmp_path / "gop.png").read_bytes().startswith(b"\x89PNG")
    pixels = read_png(tmp_path / "gop.png")
    # five columns, of square panels in two rows: a landscape of about 1100 pixels
    assert 1000 < pixels.shape[1] < 1300
    assert 450 < pixels.shape[0] < 650
    assert os.listdir(tmp_path) == ["gop.png"]


def test_first_full_gop_is_drawn(clip: Path, tmp_path: Path) -> None:
    assert draw_gop(clip, tmp_path / "a.png") == 0


@pytest.mark.parametrize(
    ("motion", "colour"),
    [
        ((0, 0), (255, 255, 255)),
        ((20, 0), (255, 0, 0)),
        ((-30, 0), (0, 255, 255)),
        ((10, 0), (255, 128, 128)),  # half saturation: 127.5, rounded to even
    ],
)
def test_colours_of_motion_by_hand(motion: tuple[int, int], colour: tuple[int, int, int]) -> None:
    assert motion_colours(np.array([[motion]], np.int16))[0, 0].tolist() == list(colour)


def test_colours_of_residual_by_hand() -> None:
    assert residual_colours(np.array([[[0, -10, 255]]], np.int16)).tolist() == [[[128, 108, 255]]]


def test_errors(inspect: Command, tiny_bundle: Path, clip: Path, tmp_path: Path) -> None:
    png = tmp_path / "a.png"
    assert_one_line(inspect(tiny_bundle, "--png", png), "tiny.bundle", "only a video")
    assert_one_line(inspect(tiny_bundle / "motion.net", "--png", png), "motion.net", "only a video")
    assert_one_line(inspect(clip, "--png", tmp_path / "none" / "a.png"), "a.png", "cannot be written")
    assert_one_line(inspect(clip, "--png", png, "--gop", 9), "GOP 9", "last one is 2")
    assert_one_line(inspect(clip, "--gop", 1), "--png")
    (tmp_path / "noise.avi").write_bytes(np.random.default_rng(0).bytes(4000))
    assert_one_line(inspect(tmp_path / "noise.avi", "--png", png), "noise.avi")
    assert_one_line(inspect(tmp_path / "none.avi"), "none.avi")
    assert os.listdir(tmp_path) == ["noise.avi"]


def test_gop_without_p_frames(tmp_path: Path) -> None:
    video = encode(tmp_path / "intra.avi", "mpeg4", 3, g="1", bf="0")
    with pytest.raises(VideoError, match="no P-frame to draw"):
        draw_gop(video, tmp_path / "a.png")


def test_without_matplotlib(clip: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nsys.modules['matplotlib'] = None\nsys.argv[0] = 'hybridnet'\nfrom deploy.cli import main\nmain()"
    )
    words = [sys.executable, "-c", code, "inspect", str(clip)]
    assert subprocess.run(words, capture_output=True, check=False).returncode == 0
    done = subprocess.run([*words, "--png", str(tmp_path / "a.png")], capture_output=True, text=True, check=False)
    assert_one_line((done.returncode, done.stdout, done.stderr), "pip install 'hybridnet[report]'")
    assert os.listdir(tmp_path) == []
