"""Motion alone, for which the decoder spares itself the pixels: the same as with them, damage or not."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from hybridnet.errors import VideoError
from hybridnet.video import Gop, read_gops

Frames = Callable[..., list[np.ndarray]]
Write = Callable[..., Path]
CODECS = {"mpeg4": "avi", "libx264": "mp4", "mpeg2video": "mpg", "flv1": "flv", "h263p": "avi", "wmv2": "avi"}


def read(path: Path, **options: object) -> tuple[list[Gop], str]:
    """The GOPs, and the error that ended them."""
    gops: list[Gop] = []
    try:
        gops.extend(read_gops(path, **options))
    except VideoError as error:
        return gops, str(error)
    return gops, ""


def assert_alike(path: Path) -> None:
    for accumulate in (True, False):
        whole, error = read(path, accumulate=accumulate)
        motion, other = read(path, accumulate=accumulate, residual=None)
        assert error == other
        for gop, bare in zip(whole, motion, strict=True):
            assert len(bare.residual) == 0
            for field in fields(Gop):
                if field.name != "residual":
                    np.testing.assert_array_equal(getattr(gop, field.name), getattr(bare, field.name))


@pytest.mark.parametrize("codec", CODECS)
def test_sound_and_damaged(codec: str, moving_texture: Frames, write_video: Write, tmp_path: Path) -> None:
    path = write_video(f"sound.{CODECS[codec]}", moving_texture(26, 96, 128), codec)
    assert_alike(path)
    data, rng, damaged = path.read_bytes(), np.random.default_rng(3), 0
    for _ in range(12):
        spoilt = bytearray(data)
        for place in rng.integers(len(data) // 10, len(data), 3):
            spoilt[place] ^= 1 << int(rng.integers(8))
        broken = tmp_path / f"broken.{CODECS[codec]}"
        broken.write_bytes(spoilt)
        assert_alike(broken)
        damaged += any(gop.corrupt for gop in read(broken)[0])
    assert damaged
