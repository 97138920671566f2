"""Small videos of a panning texture, of whatever codec."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def encode(path: Path, codec: str, frames: int, b_frames_from: int | None = None, **options: str) -> Path:
    """A panning texture, 128x96; H.264's B-frames, if asked for, begin at that frame."""
    picture = np.random.default_rng(0).integers(0, 256, (12, 32, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=24, options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.codec_context.max_b_frames = 0 if b_frames_from is None else 2
        for i in range(frames):
            part = np.ascontiguousarray(picture[:, 3 * i % 128 : 3 * i % 128 + 128])
            frame = av.VideoFrame.from_ndarray(part, "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = i, Fraction(1, 24)
            if b_frames_from is not None and i < b_frames_from:
                frame.pict_type = 1 if i % 12 == 0 else 2
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
