"""Three real files to measure on: different codecs, containers and sizes, no B-frames, a filmed scene's kind of motion.

A camera pans over a still texture while textured squares cross it on their own paths, under a little sensor noise: most
macroblocks carry a vector or none is needed, some are intra, and bitrates are those of ordinary action clips.
"""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 25
GOP = 12
# name: codec, width, height, encoder options
VIDEOS = {
    "mpeg4_340x256.avi": ("mpeg4", 340, 256, {"qmin": "5", "qmax": "5", "sc_threshold": "1000000000"}),
    "mpeg2_352x288.mpg": ("mpeg2video", 352, 288, {"qmin": "5", "qmax": "5", "sc_threshold": "1000000000"}),
    "h264_640x480.mp4": ("libx264", 640, 480, {"crf": "23", "preset": "medium", "sc_threshold": "0", "refs": "1"}),
}


def make_videos(folder: Path, frames: int) -> list[Path]:
    """Write those of VIDEOS that `folder` lacks, `frames` long; returns their paths."""
    paths = [folder / f"{frames}_{name}" for name in VIDEOS]
    for path, (codec, width, height, options) in zip(paths, VIDEOS.values(), strict=True):
        if not path.exists():
            _write(path, codec, _scene(frames, height, width), options)
    return paths


def _scene(frames, height, width):
    rng = np.random.default_rng(7)
    ground = _texture(rng, height + 256, width + 256)
    squares = [(_texture(rng, side, side), *rng.uniform(0, 6, 2), *rng.uniform(0.02, 0.09, 2)) for side in (40, 64, 96)]
    noise = rng.normal(0, 2, (4, height, width, 1))
    for t in range(frames):
        top, left = (int(128 + 120 * np.sin(t / period)) for period in (41, 67))
        picture = ground[top : top + height, left : left + width].copy()
        for pixels, phase_y, phase_x, speed_y, speed_x in squares:
            side = len(pixels)
            y = int((height - side) * (0.5 + 0.5 * np.sin(phase_y + speed_y * t)))
            x = int((width - side) * (0.5 + 0.5 * np.sin(phase_x + speed_x * t)))
            picture[y : y + side, x : x + side] = pixels
        yield np.clip(picture + noise[t % len(noise)], 0, 255).astype(np.uint8)


def _texture(rng, height, width):
    """Smooth colour noise, float (H,W,3), 0..255."""
    field = rng.integers(0, 256, (height, width, 3)).astype(np.float32)
    for _ in range(4):
        field = (field + np.roll(field, 1, 0) + np.roll(field, 1, 1) + np.roll(field, (1, 1), (0, 1))) / 4
    return (field - field.min()) * 255 / np.ptp(field)


def _write(path, codec, scene, options):
    part = path.with_name(f".{path.name}{path.suffix}")
    with av.open(str(part), "w", format=None) as container:
        first = next(scene)
        stream = container.add_stream(codec, rate=RATE, options=options)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = GOP
        stream.codec_context.max_b_frames = 0
        for t, pixels in enumerate([first]):
            _encode(container, stream, pixels, t)
        for t, pixels in enumerate(scene, start=1):
            _encode(container, stream, pixels, t)
        container.mux(stream.encode(None))
    part.replace(path)


def _encode(container, stream, pixels, t):
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    frame.pts, frame.time_base = t, Fraction(1, RATE)
    container.mux(stream.encode(frame))
