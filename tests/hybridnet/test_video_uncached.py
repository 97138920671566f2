"""Stores past the caches: the same as others wherever an array begins and ends, and nothing beside it is touched."""

import numpy as np
import pytest

from hybridnet.compiled import njit
from hybridnet.video.accumulate import Tracer
from hybridnet.video.colour import NO_ROWS, convert
from hybridnet.video.decoder import NO_VECTORS
from hybridnet.video.uncached import LINE, copy_lines, copy_rest, fence, subtract_lines, subtract_rest


@njit(nogil=True)
def copied(source, start, target, to, size):
    n = copy_lines(source, start, target, to, size)
    fence()
    return n


@njit(nogil=True)
def copied_in_parts(source, target, part):
    done = np.uintp(0)
    for end in range(part, source.size + 1, part):
        done += copy_lines(source, done, target, done, np.uintp(end) - done)
    copy_rest(source, done, target, done)
    fence()


def from_line(size: int, dtype: type, behind: int) -> np.ndarray:
    """An array of `size` elements that begins `behind` elements after a line of the cache does."""
    itemsize = np.dtype(dtype).itemsize
    room = np.full((size + behind) * itemsize + LINE, 77, np.uint8)
    at = -room.ctypes.data % LINE + behind * itemsize
    array = room[at : at + size * itemsize].view(dtype)
    assert array.ctypes.data % LINE == behind * itemsize % LINE
    return array


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_any_place_and_size(dtype: type) -> None:
    line = LINE // np.dtype(dtype).itemsize
    source = np.arange(1000).astype(dtype)
    for behind in range(line):
        for size in (0, 1, line - 1, line, line + 1, 5 * line - behind, 300):
            target, expected = (from_line(400, dtype, behind) for _ in range(2))
            n = copied(source, 11, target, 7, size)
            assert n == size or (n < size < n + line and (target.ctypes.data // target.itemsize + 7 + n) % line == 0)
            expected[7 : 7 + n] = source[11 : 11 + n]
            np.testing.assert_array_equal(target, expected)


@pytest.mark.parametrize("part", [1, 5, 64, 90, 300])
def test_parts_make_the_whole(part: int) -> None:
    source = np.arange(300).astype(np.int16)
    for behind in range(LINE // 2):
        target = from_line(300, np.int16, behind)
        copied_in_parts(source, target, part)
        np.testing.assert_array_equal(target, source)


def test_bytes_become_words() -> None:
    source = np.arange(-128, 128).astype(np.int8)
    for behind in range(LINE // 2):
        target = from_line(300, np.int16, behind)
        n = copied(source, 3, target, 5, 253)
        assert n > 253 - LINE // 2
        np.testing.assert_array_equal(target[5 : 5 + n], np.arange(-125, 128)[:n])


@njit(nogil=True)
def subtracted_in_parts(frame, picture, target, part):
    """As the reader does, what is left of a line with the part that follows."""
    done = np.uintp(0)
    for end in range(part, target.size + 1, part):
        done += subtract_lines(frame, done, picture, target, done, np.uintp(end) - done)
    subtract_rest(frame[done:], 0, picture, target, done)
    fence()


@pytest.mark.parametrize("part", [1, 31, 32, 33, 100, 300])
def test_a_picture_is_subtracted_as_whole_numbers(part: int) -> None:
    rng = np.random.default_rng(part)
    frame, picture = (rng.choice([0, 1, 127, 128, 255], 300).astype(np.uint8) for _ in range(2))
    for behind in range(LINE // 2):
        target = from_line(300, np.int16, behind)
        subtracted_in_parts(frame, picture, target, part)
        np.testing.assert_array_equal(target, frame.astype(int) - picture.astype(int))


@pytest.mark.parametrize(("height", "width"), [(2, 32), (18, 34), (34, 70), (16, 96)])
def test_small_pictures_that_begin_within_a_line(height: int, width: int) -> None:
    rng = np.random.default_rng(width)
    planes = tuple(rng.integers(0, 256, size, np.uint8) for size in (height * width, *[height * width // 4] * 2))
    rows, iframe = (rng.integers(0, 256, (height, 3 * width), np.uint8) for _ in range(2))
    places = (*(plane.ctypes.data for plane in planes), planes[0].size, planes[1].size)
    convert(*places, rows, NO_ROWS)
    for picture in (places, rows):
        for behind in (0, 1, 8, 31):
            tracer = Tracer(height, width)
            tracer.start(iframe)
            motion = from_line(2 * height * width, np.int16, behind).reshape(height, width, 2)
            residual = from_line(3 * height * width, np.int16, behind).reshape(height, width, 3)
            assert tracer.follow(NO_VECTORS, picture, motion, residual) == 1
            assert not motion.any()
            np.testing.assert_array_equal(residual.reshape(height, -1), rows.astype(np.int16) - iframe)
