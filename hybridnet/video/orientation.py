"""How the pictures of a video are to be turned or mirrored before they are shown."""

from typing import cast

import numpy as np
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame

from hybridnet.errors import VideoError

Turn = tuple[int, int, int, int]


def read_turn(name: str, frame: VideoFrame) -> Turn | None:
    """(a, b, c, d) of a frame's display matrix, up to a factor; None if the picture is upright as it is.

    The matrix takes the pixel (x,y) to (a * x + c * y, b * x + d * y), up to a shift. `name` is what an error calls the
    video. Raises VideoError if it is neither quarter turns nor mirrors.
    """
    data = cast(SideData | None, frame.side_data.get("DISPLAYMATRIX"))
    if data is None:
        return None
    matrix = np.frombuffer(bytes(data), np.int32)
    a, b, c, d = (int(matrix[k]) for k in (0, 1, 3, 4))
    if not (a == d == 0 and b and c) and not (b == c == 0 and a and d):
        raise VideoError(
            f"{name}: to be turned by {frame.rotation} degrees, only quarter turns are known; turn it with a video "
            "editor first"
        )
    return None if a > 0 and d > 0 else (a, b, c, d)


def describe_turn(turn: Turn, frame: VideoFrame) -> str:
    """Such as "turned by 90 degrees"."""
    a, b, c, d = turn
    if a * d - b * c > 0:
        return f"turned by {frame.rotation} degrees"
    return "mirrored and turned" if b else "mirrored"
