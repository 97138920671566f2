"""`Gop`: one group of pictures in the compressed domain."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Gop:
    """An I-frame and the P-frames that follow it, traced back to it (the paper's equations 1 and 2; CoViAR's D and R).

    Of `read_gops(..., accumulate=False)`, motion and residual are raw: against the frame before, not the I-frame.

    iframe        uint8 (H,W,3) RGB
    motion        int16 (P,H,W,2): accumulated motion D = i - J(i), (x,y), pixels; float32 with subpel "float"
    residual      int16 (P,H,W,3): accumulated residual R = frame - iframe[J], RGB, -255..255; (0,H,W,3) if not read
    positions     int32 (P,): 1-based place of each P-frame in its GOP
    intra_share   float32 (P,): share of the picture's area that carried no motion vector (intra macroblocks), 0..1
    start         index of the I-frame in the video, counted in coded frames from the first key frame
    length        frames in the GOP, the I-frame included
    corrupt       True if the decoder flagged any frame of it, a packet gave no frame, or the file breaks off in it
    """

    iframe: np.ndarray
    motion: np.ndarray
    residual: np.ndarray
    positions: np.ndarray
    intra_share: np.ndarray
    start: int
    length: int
    corrupt: bool
