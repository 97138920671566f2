"""Memory that is used again: never while anything refers to it, always once nothing does."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from hybridnet.video import read_gops
from hybridnet.video.memory import LARGE, MOST_LEFT, Memory

BYTES = np.dtype(np.uint8)
KINDS: list[Callable[[np.ndarray], object]] = [
    lambda array: array,
    lambda array: array[1:, ::2],
    lambda array: array[0].reshape(-1)[6:].view(np.int16),
    lambda array: memoryview(array)[3:],
    lambda array: np.asarray(memoryview(array[:2])),
]


def place(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("kept", KINDS)
def test_what_is_held_in_any_way_is_let_be(kept: Callable[[np.ndarray], object]) -> None:
    memory = Memory()
    array = memory.take((4, LARGE), BYTES)
    first = place(array)
    held = kept(array)
    del array
    for _ in range(4):
        assert abs(place(memory.take((4, LARGE), BYTES)) - first) >= 4 * LARGE
    del held


def test_what_is_let_go_is_used_again() -> None:
    memory = Memory()
    first = memory.take((3, LARGE), BYTES)
    second = memory.take((3, LARGE - 9), BYTES)
    places = {place(first), place(second)}
    for _ in range(3):
        first = second
        second = memory.take((3, LARGE), BYTES)
        assert {place(first), place(second)} == places


def test_much_smaller_and_larger_arrays_get_their_own() -> None:
    memory = Memory()
    first = place(memory.take((4, LARGE), BYTES))
    assert place(memory.take((5, LARGE), BYTES)) != first
    assert memory.take((5, 0, 2), BYTES).shape == (5, 0, 2)
    with pytest.raises(MemoryError):
        memory.take((1 << 62,), BYTES)


def test_what_is_left_goes_to_the_next_unless_it_is_held() -> None:
    memory = Memory()
    held, free = (memory.take((4, LARGE), BYTES) for _ in range(2))
    places = place(held), place(free)
    memory.leave()
    del free
    following = Memory()
    found = [following.take((4, LARGE), BYTES) for _ in range(3)]
    assert places[1] in map(place, found)
    assert all(abs(place(array) - places[0]) >= 4 * LARGE for array in found)


def test_no_more_is_left_than_a_limit() -> None:
    size, memory = MOST_LEFT // 2 + LARGE, Memory()
    filled = [memory.take((size,), BYTES) for _ in range(2)]
    for array in filled:
        array[:] = 7
    del array, filled
    memory.leave()
    following = Memory()
    found = [following.take((size,), BYTES) for _ in range(2)]  # the system gives zeros
    assert sum(bool(array.any()) for array in found) == 1


def test_many_threads_read_as_one_does(
    moving_texture: Callable[..., list[np.ndarray]], write_video: Callable[..., Path]
) -> None:
    # One's arrays fit where another's were.
    paths = [write_video(f"{k}.avi", moving_texture(12, 192, 256 + 32 * k), gop=4) for k in range(3)]

    def sums(path: Path) -> list[list[int]]:
        return [[int(a.sum(dtype=np.int64)) for a in (g.iframe, g.motion, g.residual)] for g in read_gops(path)]

    alone = [sums(path) for path in paths]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(sums, paths * 16)) == alone * 16


def test_gops_stay_as_they_were_read(moving_texture: Callable[..., list[np.ndarray]], write_video: Callable[..., Path]):
    path = write_video("large.avi", moving_texture(30, 192, 256), gop=10)
    copies = [(gop.motion.copy(), gop.residual.copy()) for gop in read_gops(path)]
    assert copies[0][0].nbytes < LARGE < copies[0][1].nbytes  # one is numpy's, the other is not
    for gop, (motion, residual) in zip(list(read_gops(path)), copies, strict=True):
        np.testing.assert_array_equal(gop.motion, motion)
        np.testing.assert_array_equal(gop.residual, residual)
