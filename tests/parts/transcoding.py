"""Sources for `transcode`, and what comes of them, by PyAV alone."""

import io
import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from hybridnet.errors import VideoError
from hybridnet.video import Recipe, probe, transcode

SIZE = Recipe(width=64, height=48, quality=2)
BT601, BT709, LIMITED, FULL = 5, 1, 1, 2  # as FFmpeg numbers colour spaces and ranges
LUMA = np.array([0.299, 0.587, 0.114])


def encode(
    path: Path,
    frames: Sequence[np.ndarray],
    codec: str,
    pix_fmt: str = "yuv420p",
    *,
    b_frames: int = 0,
    options: dict[str, str] | None = None,
    colour: tuple[int, int] = (BT601, LIMITED),
    times: Sequence[int] | None = None,
) -> Path:
    """Encode RGB frames, the colour space and range as tagged; `times` in milliseconds, 40 apart if left out."""
    space, span = colour
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = Fraction(1, 1000 if times else 25)
        stream.codec_context.max_b_frames = b_frames
        stream.codec_context.colorspace, stream.codec_context.color_range = space, span
        for t, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame = frame.reformat(format=pix_fmt, dst_colorspace=space, dst_color_range=span)
            frame.pts, frame.time_base = times[t] if times else t, stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def decode(source: Path | io.BytesIO) -> list[np.ndarray]:
    """Every frame in RGB, by PyAV alone."""
    if isinstance(source, io.BytesIO):
        source.seek(0)
    with av.open(source if isinstance(source, io.BytesIO) else str(source)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def transcoded(source: Path | io.BytesIO, recipe: Recipe = SIZE) -> io.BytesIO:
    target = io.BytesIO()
    assert transcode(source, target, recipe).frames == probe(target).packets
    return target


def difference(pixels: np.ndarray, others: np.ndarray) -> float:
    return float(np.abs(pixels.astype(float) - others).mean())


def smooth(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Frames whose colours wander slowly in space, so that neither chroma nor coding costs much; no two are alike."""
    y, x = np.mgrid[:height, :width]
    waves = [np.stack([np.sin(x / 20 + t / 5), np.cos(y / 15), np.sin((x + y) / 30 - t / 7)], -1) for t in range(count)]
    return [(128 + 60 * wave).astype(np.uint8) for wave in waves]


def refusal(source: Path, folder: Path) -> str:
    """The line that `transcode` refuses a source with; nothing is left of the target."""
    target = folder / "out"
    target.mkdir()
    with pytest.raises(VideoError) as caught:
        transcode(source, target / "a.avi", SIZE)
    assert os.listdir(target) == []
    message = str(caught.value)
    assert message.startswith(f"{source}: ")
    assert "\n" not in message
    return message
