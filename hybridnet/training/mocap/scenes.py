"""Backgrounds: photos that ship inside scikit-image's wheel (public domain or CC0) and procedural textures."""

from collections.abc import Callable
from functools import cache

import numpy as np
import skimage.data
from PIL import Image

SIDE = 160  # pixels of a background's shorter side: room for a 128-pixel picture at zoom 1, and for panning


def background(scene: str, seed: int) -> Image.Image:
    """The RGB image of a scene, its shorter side 160 pixels. `seed` shapes a texture and is ignored by a photo."""
    if scene in _TEXTURES:
        return Image.fromarray(_TEXTURES[scene](np.random.default_rng([seed, 1])))
    return _photo(scene)


def view(image: Image.Image, size: int, zoom: float, corner: tuple[float, float]) -> Image.Image:
    """Cut a picture of size x size pixels out of `image` at `corner` (x,y; fractions of a pixel count).

    `zoom` is how many pixels of the image one pixel of the picture spans.
    """
    matrix = (zoom, 0.0, corner[0], 0.0, zoom, corner[1])
    return image.transform((size, size), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


@cache
def _photo(name: str) -> Image.Image:
    image = Image.fromarray(getattr(skimage.data, name)()).convert("RGB")
    scale = SIDE / min(image.size)
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)


def _clouds(rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of four octaves between two colours."""
    amount = np.zeros((SIDE, SIDE))
    for octave in range(4):
        cells = Image.fromarray(rng.random((4 << octave, 4 << octave), dtype=np.float32))
        amount += np.asarray(cells.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) / 2**octave
    amount = (amount - amount.min()) / np.ptp(amount)
    low, high = rng.uniform(0, 255, (2, 3))
    return (low + amount[..., None] * (high - low)).astype(np.uint8)


def _planks(rng: np.random.Generator) -> np.ndarray:
    """Upright boards 10 to 40 pixels wide in shades of one colour."""
    edges = np.cumsum(rng.integers(10, 41, SIDE // 10))
    board = np.searchsorted(edges, np.arange(SIDE), side="right")
    shades = rng.uniform(0.6, 1.0, SIDE // 10 + 1)[board, None] * rng.uniform(60, 255, 3)
    return np.broadcast_to(shades.astype(np.uint8), (SIDE, SIDE, 3)).copy()


def _tiles(rng: np.random.Generator) -> np.ndarray:
    """A chequered wall of tiles 16 to 47 pixels wide in two colours."""
    column = np.arange(SIDE) // rng.integers(16, 48)
    return rng.uniform(30, 255, (2, 3))[(column[:, None] + column) % 2].astype(np.uint8)


def _pebbles(rng: np.random.Generator) -> np.ndarray:
    """Cells about 60 random points, each in its own shade of grey-brown."""
    points, shades = rng.uniform(0, SIDE, (60, 2)), rng.uniform(60, 220, (60, 1)) + rng.uniform(-25, 25, (60, 3))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    nearest = np.argmin((rows[..., None] - points[:, 0]) ** 2 + (columns[..., None] - points[:, 1]) ** 2, axis=-1)
    return shades[nearest].astype(np.uint8)


_TEXTURES: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "clouds": _clouds,
    "planks": _planks,
    "tiles": _tiles,
    "pebbles": _pebbles,
}
