"""Real video files, written with PyAV once a session."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

RATE = 25
# Whole GOPs whatever the pictures show, and of H.264 those that can be read: one reference picture.
OPTIONS = {"libx264": {"sc_threshold": "0", "refs": "1"}} | {
    codec: {"sc_threshold": "1000000000"} for codec in ("mpeg4", "mpeg2video", "flv", "msmpeg4", "wmv2")
}


@pytest.fixture
def one_thread() -> Iterator[None]:
    """For tensors too small to share: threads that wait for each other only slow a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def moving_texture() -> Callable[..., list[np.ndarray]]:
    """Frames, uint8 (H,W,3): a smooth texture that pans, and a square that crosses it and is now and then all new.

    The pan gives rich vectors, some past the picture's edges; the new square cannot be predicted, so it is coded intra.
    """

    def make(count: int, height: int, width: int, seed: int = 0) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        ground = rng.integers(0, 256, (height + 64, width + 64, 3)).astype(np.float32)
        for _ in range(3):
            ground = (ground + np.roll(ground, 1, 0) + np.roll(ground, 1, 1) + np.roll(ground, (1, 1), (0, 1))) / 4
        ground = (ground - ground.min()) * 255 / np.ptp(ground)
        frames = []
        for t in range(count):
            top, left = 2 * t % 30, 3 * t % 40
            frame = ground[top : top + height, left : left + width].astype(np.uint8)
            y, x = 5 * t % (height - 24), 7 * t % (width - 24)
            new = t % 5 == 0
            frame[y : y + 24, x : x + 24] = rng.integers(0, 256, (24, 24, 3)) if new else ground[24:48, 24:48]
            frames.append(frame)
        return frames

    return make


@pytest.fixture(scope="session")
def write_video(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Encode frames into a file of that name, in a folder of its own; the name's suffix chooses the container.

    Scene cuts add no key frames, so the GOPs are as `gop` says, and H.264 has one reference picture; other encoder
    options go into `options`. A raw .m4v needs the muxer's name.
    """

    def write(
        name: str,
        frames: Sequence[np.ndarray],
        codec: str = "mpeg4",
        gop: int = 12,
        b_frames: int = 0,
        options: dict[str, str] | None = None,
        muxer: str | None = None,
        pixel_format: str = "yuv420p",
    ) -> Path:
        path = tmp_path_factory.mktemp("video") / name
        with av.open(str(path), "w", format=muxer) as container:
            stream = container.add_stream(codec, rate=RATE, options=OPTIONS.get(codec, {}) | (options or {}))
            stream.height, stream.width = frames[0].shape[:2]
            stream.pix_fmt = pixel_format
            stream.codec_context.gop_size = gop
            stream.codec_context.max_b_frames = b_frames
            stream.codec_context.thread_count = 1
            if codec == "mpeg4":
                stream.codec_context.qmin = stream.codec_context.qmax = 5
            for t, pixels in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts, frame.time_base = t, Fraction(1, RATE)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return write


@pytest.fixture(scope="session")
def mpeg4_video(moving_texture: Callable[..., list[np.ndarray]], write_video: Callable[..., Path]) -> Path:
    """MPEG-4 AVI, 90x70, 40 frames in GOPs of 12, 12, 12 and 4."""
    return write_video("mpeg4.avi", moving_texture(40, 70, 90))


@pytest.fixture(scope="session")
def h264_video(moving_texture: Callable[..., list[np.ndarray]], write_video: Callable[..., Path]) -> Path:
    """H.264 MP4 without B-frames, 90x70, 30 frames in GOPs of 12, 12 and 6, small partitions."""
    options = {"partitions": "all", "subme": "9", "g": "12", "keyint_min": "12"}
    return write_video("h264.mp4", moving_texture(30, 70, 90, seed=1), "libx264", options=options)


@pytest.fixture
def place(clip: Path, tmp_path: Path) -> Callable[..., None]:
    """Link the shipped clip to paths below `tmp_path`; the readers never trust a suffix."""

    def link(*names: str) -> None:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).symlink_to(clip)

    return link


@pytest.fixture(scope="session")
def originals(
    tmp_path_factory: pytest.TempPathFactory,
    moving_texture: Callable[..., list[np.ndarray]],
    write_video: Callable[..., Path],
) -> Path:
    """Class folders: VP9, H.264 with B-frames, MPEG-4 with nested layout, one that is no video, and one hidden."""
    root = tmp_path_factory.mktemp("originals")
    frames = moving_texture(15, 48, 64)
    vp9 = write_video("a.webm", frames, "libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"})
    h264 = write_video("b.mp4", frames, "libx264", b_frames=2)
    mpeg4 = write_video("c.avi", frames)
    for place, file in {"walk/a.webm": vp9, "walk/B.MP4": h264, "run/far/c.avi": mpeg4, "run/.c.avi": mpeg4}.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, root / place)
    (root / "run/bad.mov").write_text("no video")
    (root / "list.txt").write_text("a list")
    return root


@pytest.fixture
def sources(originals: Path, tmp_path: Path) -> Path:
    """A copy of the originals that a test may alter."""
    return Path(shutil.copytree(originals, tmp_path / "videos"))
