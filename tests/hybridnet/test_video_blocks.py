"""The tracers on random layouts of blocks, against loops over blocks and pixels written from CoViAR's semantics."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridnet.video.accumulate import Tracer
from hybridnet.video.decoder import MOTION_VECTOR
from hybridnet.video.subpixel import SubpixelTracer

Block = tuple[int, int, int, int, int, int, int]  # centre x, centre y, width, height, motion x, motion y, motion scale

sides = st.sampled_from([4, 8, 16])
sizes = st.tuples(st.integers(1, 40), st.integers(1, 45))


@st.composite
def scenes(draw: st.DrawFn) -> tuple[list[np.ndarray], list[list[Block]]]:
    """Pictures of one size and the blocks of all but the first, in any number, anywhere, pointing anywhere.

    They overlap, leave gaps (intra), and reach past the picture at both ends.
    """
    height, width = draw(sizes)
    count = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pictures = [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(count + 1)]
    block = st.tuples(
        *(st.integers(-20, width + 20), st.integers(-20, height + 20), sides, sides),
        *(st.integers(-90, 90), st.integers(-90, 90), st.sampled_from([1, 2, 4, 8])),
    )
    return pictures, [draw(st.lists(block, max_size=12)) for _ in range(count)]


def grid(height: int, width: int, seed: int) -> list[Block]:
    """Macroblocks in raster order, as a codec lists them: runs of equal vectors, still ones, intra ones left out."""
    rng = np.random.default_rng(seed)
    blocks, vector = [], (0, 0)
    for y in range(8, height + 16, 16):
        for x in range(8, width + 16, 16):
            if rng.random() < 0.4:
                vector = tuple(rng.integers(-30, 31, 2)) if rng.random() < 0.7 else (0, 0)
            if rng.random() < 0.9:
                blocks.append((x, y, 16, 16, *vector, 2))
    return blocks


def toward_zero(value: Fraction) -> int:
    return math.floor(value) if value >= 0 else math.ceil(value)


def records(blocks: list[Block]) -> np.ndarray:
    """FFmpeg's records of the blocks, src = dst + motion / motion_scale truncated toward zero."""
    vectors = np.zeros(len(blocks), MOTION_VECTOR)
    for vector, (x, y, w, h, motion_x, motion_y, scale) in zip(vectors, blocks, strict=True):
        vector["source"], vector["w"], vector["h"], vector["dst_x"], vector["dst_y"] = -1, w, h, x, y
        vector["src_x"] = x + toward_zero(Fraction(motion_x, scale))
        vector["src_y"] = y + toward_zero(Fraction(motion_y, scale))
        vector["motion_x"], vector["motion_y"], vector["motion_scale"] = motion_x, motion_y, scale
    return vectors


def place(vectors: np.ndarray) -> tuple[int, int]:
    """As `decoder.motion_vectors` has those of a frame, while the array lives."""
    return vectors.ctypes.data, vectors.nbytes


def padded(picture: np.ndarray) -> np.ndarray:
    """Its rows of bytes, with padding that must not be looked at."""
    rows = picture.reshape(len(picture), -1)
    return np.pad(rows, ((0, 0), (0, 5)), constant_values=99)


class Reference:
    """J per pixel in exact fractions; `whole` is CoViAR's, truncated at every frame."""

    def __init__(self, first: np.ndarray, whole: bool) -> None:
        self.first, self.whole = first.astype(int), whole
        self.height, self.width = first.shape[:2]
        self.d = {(x, y): (Fraction(0), Fraction(0)) for y in range(self.height) for x in range(self.width)}

    def inside(self, x: int, y: int) -> bool:
        return 0 <= x < self.width and 0 <= y < self.height

    def follow(self, blocks: list[Block]) -> float:
        """Take in a frame; returns the share of the picture that is in no block."""
        before, covered = dict(self.d), []
        for x, y, w, h, motion_x, motion_y, scale in blocks:
            source = Fraction(motion_x, scale), Fraction(motion_y, scale)
            if self.whole:
                source = Fraction(toward_zero(source[0])), Fraction(toward_zero(source[1]))
            pixels = [(i, j) for j in range(y - h // 2, y + h // 2) for i in range(x - w // 2, x + w // 2)]
            covered += [pixel for pixel in pixels if self.inside(*pixel)]
            if source == (0, 0):
                continue
            for i, j in pixels:
                from_i, from_j = (math.floor(p + s + Fraction(1, 2)) for p, s in zip((i, j), source, strict=True))
                if self.inside(i, j) and self.inside(from_i, from_j):
                    dx, dy = before[from_i, from_j]
                    self.d[i, j] = dx - source[0], dy - source[1]
        return max(0.0, 1 - len(covered) / (self.height * self.width))

    def motion(self) -> np.ndarray:
        return np.array([[[float(c) for c in self.d[x, y]] for x in range(self.width)] for y in range(self.height)])

    def residual(self, picture: np.ndarray) -> np.ndarray:
        result = picture.astype(int)
        for (x, y), (dx, dy) in self.d.items():
            from_x = min(max(math.floor(x - dx + Fraction(1, 2)), 0), self.width - 1)
            from_y = min(max(math.floor(y - dy + Fraction(1, 2)), 0), self.height - 1)
            result[y, x] -= self.first[from_y, from_x]
        return result


def check(pictures: list[np.ndarray], layouts: list[list[Block]], whole: bool, groups: int = 1) -> None:
    height, width = pictures[0].shape[:2]
    tracer = Tracer(height, width) if whole else SubpixelTracer(height, width)
    for _ in range(groups):
        reference = Reference(pictures[0], whole)
        tracer.start(pictures[0].reshape(height, -1))
        for picture, blocks in zip(pictures[1:], layouts, strict=True):
            motion = np.full((height, width, 2), 77, tracer.motion_dtype)
            residual = np.full((height, width, 3), 77, np.int16)
            vectors = records(blocks)
            uncovered = tracer.follow(place(vectors), padded(picture), motion, residual)
            assert uncovered == pytest.approx(reference.follow(blocks))
            np.testing.assert_array_equal(motion, reference.motion())
            np.testing.assert_array_equal(residual, reference.residual(picture))


@settings(max_examples=60, deadline=None)
@given(scenes(), st.booleans())
def test_random_blocks(scene: tuple[list[np.ndarray], list[list[Block]]], whole: bool) -> None:
    check(*scene, whole)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(("height", "width"), [(48, 64), (49, 75), (70, 33)])
def test_blocks_as_a_codec_lists_them(height: int, width: int, whole: bool) -> None:
    rng = np.random.default_rng(5)
    pictures = [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(4)]
    check(pictures, [grid(height, width, seed) for seed in (1, 2, 3)], whole)


@settings(max_examples=25, deadline=None)
@given(scenes(), st.data())
def test_frames_whose_results_are_not_wanted(
    scene: tuple[list[np.ndarray], list[list[Block]]], data: st.DataObject
) -> None:
    pictures, layouts = scene
    height, width = pictures[0].shape[:2]
    tracer, reference = Tracer(height, width), Reference(pictures[0], whole=True)
    for _ in range(2):  # a second group of pictures starts anew
        tracer.start(pictures[0].reshape(height, -1))
        reference = Reference(pictures[0], whole=True)
        for picture, blocks in zip(pictures[1:], layouts, strict=True):
            motion = np.zeros((height, width, 2), np.int16) if data.draw(st.booleans()) else None
            residual = np.zeros((height, width, 3), np.int16) if data.draw(st.booleans()) else None
            vectors = records(blocks)
            tracer.follow(place(vectors), None if residual is None else padded(picture), motion, residual)
            reference.follow(blocks)
            if motion is not None:
                np.testing.assert_array_equal(motion, reference.motion())
            if residual is not None:
                np.testing.assert_array_equal(residual, reference.residual(picture))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("steps", [(64, 63, 1, 0, 90), (64, 64, -64), (128, 2), (127, -127, 127, 127)])
def test_motion_of_more_pixels_than_a_byte_holds(steps: tuple[int, ...], sign: int) -> None:
    pictures = list(np.random.default_rng(6).integers(0, 256, (len(steps) + 1, 16, 400, 3), dtype=np.uint8))
    layouts = [[(x, 8, 16, 16, sign * step, 0, 1) for x in range(8, 400, 16)] for step in steps]
    check(pictures, layouts, whole=True, groups=2)


@pytest.mark.parametrize("step", [3, 40])
@pytest.mark.parametrize(("height", "width"), [(64, 96), (50, 75)])
def test_little_that_moves_in_a_still_picture(height: int, width: int, step: int) -> None:
    """Blocks that take from each other, still ones, and one frame between them in which all move."""
    rng = np.random.default_rng(step)
    pictures = [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(8)]
    layouts = []
    for frame in range(7):
        movers = [(8, 8), (24, 8), (40, 24), (72, 8 + 16 * (frame % 3))]
        moved = [(x, y, 16, 16, -step if k % 2 else step, (-1) ** frame, 1) for k, (x, y) in enumerate(movers)]
        layouts.append(grid(height, width, frame) if frame == 4 else [*moved, (56, 40, 16, 16, 0, 0, 1)])
    check(pictures, layouts, whole=True, groups=2)


def test_motion_without_pictures() -> None:
    blocks = [(8, 8, 16, 16, -6, 4, 2)]
    vectors = records(blocks)
    tracer, reference = Tracer(20, 30), Reference(np.zeros((20, 30, 3), np.uint8), whole=True)
    tracer.start(None)
    motion = np.empty((20, 30, 2), np.int16)
    for _ in range(3):
        tracer.follow(place(vectors), None, motion, None)
        reference.follow(blocks)
        np.testing.assert_array_equal(motion, reference.motion())


def test_vectors_at_the_ends_of_their_range() -> None:
    vectors = np.zeros(2, MOTION_VECTOR)
    vectors["w"], vectors["h"], vectors["dst_x"], vectors["dst_y"] = 16, 16, 8, 8
    vectors["src_x"], vectors["src_y"] = (-32768, 32767), (32767, -32768)
    tracer = Tracer(16, 16)
    tracer.start(None)
    motion = np.ones((16, 16, 2), np.int16)
    assert tracer.follow(place(vectors), None, motion, None) == 0
    assert not motion.any()
