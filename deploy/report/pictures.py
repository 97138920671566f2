"""Pictures inside a page: arrays as PNG data URIs, transparent where nothing is, so that they sit on light and dark."""

import base64
from io import BytesIO

import numpy as np

from deploy.pictures.trace import raster
from deploy.pictures.video import LEAST_LIMIT, motion_colours, motion_limit, residual_colours
from hybridnet.video import Clip
from hybridnet.video.sampling import INPUT_LIMIT

SPIKE = (0x2B, 0x8C, 0xC4)
PLUS, MINUS = (0xD5, 0x5E, 0x00), (0x2B, 0x8C, 0xC4)  # of a potential


def data_uri(pixels: np.ndarray) -> str:
    """uint8 (H,W,3) or (H,W,4) as a PNG in a data URI."""
    from matplotlib.image import imsave

    png = BytesIO()
    imsave(png, np.ascontiguousarray(pixels), format="png")
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"


def iframe_uri(clip: Clip) -> str:
    """The I-frame as the network reads it."""
    return data_uri(clip.iframe.transpose(1, 2, 0))


def clip_limit(clips: tuple[Clip, ...], pixels: int) -> int:
    """Motion at full colour, in the network's own integers, of which 127 are `pixels`."""
    fields = [clip.motion[-1].transpose(1, 2, 0) for clip in clips]
    return max(motion_limit(fields), LEAST_LIMIT * INPUT_LIMIT // pixels)


def motion_uri(clip: Clip, step: int, limit: int) -> str:
    """Motion int8 (2,S,S) of one step: direction is the hue, the root of length the opacity, full at `limit`."""
    return data_uri(without_white(motion_colours(clip.motion[step].transpose(1, 2, 0), limit)))


def residual_uri(clip: Clip, step: int) -> str:
    """Residual int8 (3,S,S) of one step: grey where it is zero."""
    return data_uri(residual_colours(clip.residual[step].transpose(1, 2, 0).astype(np.int16)))


def raster_uri(spikes: np.ndarray) -> tuple[str, int, int]:
    """Spikes bool (T,C,H,W) or (T,N) as a picture a pixel a spike, with how many rows and channels it shows."""
    rows, channels = raster(spikes)
    return data_uri(_painted(SPIKE, np.where(rows, 255, 0))), len(rows), len(channels)


def potential_uri(values: np.ndarray, limit: float) -> str:
    """Potentials (H,W) in real units: orange above zero, blue below, opaque at `limit`."""
    alpha = np.rint(np.clip(np.abs(values) / limit, 0, 1) * 255)
    return data_uri(np.where((values > 0)[..., None], _painted(PLUS, alpha), _painted(MINUS, alpha)))


def without_white(pixels: np.ndarray) -> np.ndarray:
    """uint8 (H,W,3) as (H,W,4) that looks the same on white: as little opacity as will do."""
    alpha = 255 - pixels.min(axis=-1, keepdims=True).astype(np.int32)
    colour = 255 - (255 - pixels.astype(np.int32)) * 255 // np.maximum(alpha, 1)
    return np.concatenate([colour, alpha], axis=-1).clip(0, 255).astype(np.uint8)


def _painted(colour: tuple[int, int, int], alpha: np.ndarray) -> np.ndarray:
    """One colour, (H,W,4), of this opacity (H,W) in 0..255."""
    return np.dstack([np.broadcast_to(np.array(colour), (*alpha.shape, 3)), alpha]).astype(np.uint8)
