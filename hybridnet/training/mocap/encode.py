"""Encode a clip as the benchmark's compressed video: MPEG-4 Part 2 in AVI, GOPs of 12, no B-frames."""

import io
from fractions import Fraction

import av
import numpy as np

FPS = 24
GOP_SIZE = 12
QUANTISER = 8


def encode(frames: np.ndarray) -> bytes:
    """The AVI file of uint8 (N,H,W,3) RGB frames, 24 a second. One FFmpeg gives the same frames the same bytes."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="avi", options={"fflags": "+bitexact"}) as container:
        # A scene cut would add an I-frame and break the GOP of 12; bitexact keeps FFmpeg's version out of the stream.
        quality = {"qmin": str(QUANTISER), "qmax": str(QUANTISER)}
        options = quality | {"sc_threshold": "1000000000", "flags": "+bitexact"}
        stream = container.add_stream("mpeg4", rate=FPS, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = GOP_SIZE
        stream.codec_context.max_b_frames = 0
        stream.codec_context.thread_count = 1  # more threads mean more slices, and other bytes
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()
