"""Working ahead: in order, at the same time, with a bound on what is held, and an end on every path."""

import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from deploy.ahead import work_ahead


class Item:
    """Something whose life can be watched."""

    def __init__(self, number: int) -> None:
        self.number = number


def test_the_order_is_that_of_the_items_however_long_each_takes():
    def work(item: int) -> int:
        time.sleep(0.02 if item % 3 == 0 else 0)
        return -item

    assert list(work_ahead(work, iter(range(20)), 4)) == [(n, -n) for n in range(20)]
    assert list(work_ahead(work, iter(()), 4)) == []


def test_as_many_are_worked_on_at_a_time_as_there_are_workers():
    together = threading.Barrier(3)  # every worker waits until three are there
    assert [item for item, _ in work_ahead(lambda item: together.wait(timeout=60), iter(range(6)), 3)] == [*range(6)]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_no_more_than_one_above_the_workers_is_held(workers):
    living = weakref.WeakSet[Item]()
    most = 0

    def make() -> Iterator[Item]:
        nonlocal most
        for number in range(20):
            item = Item(number)
            living.add(item)
            patience = time.monotonic() + 10
            while len(living) > workers + 1 and time.monotonic() < patience:
                time.sleep(0.001)  # a thread lets go of its item a moment after its result is there
            most = max(most, len(living))
            yield item
            del item

    for item, result in work_ahead(lambda item: item.number, make(), workers):
        assert item.number == result
    assert most == workers + 1


@pytest.mark.parametrize("workers", [1, 3])
def test_what_the_work_raises_comes_in_its_place_and_ends_it(workers):
    begun = []

    def work(item: int) -> int:
        begun.append(item)
        return 6 // (2 - item)

    results = work_ahead(work, iter(range(100)), workers)
    assert [next(results), next(results)] == [(0, 3), (1, 6)]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert len(begun) <= 2 + workers
    assert list(results) == []


def test_what_the_items_raise_comes_out():
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("no more")

    with pytest.raises(KeyError, match="no more"):
        list(work_ahead(str, items(), 3))


def test_closing_leaves_no_thread():
    before = threading.active_count()
    results = work_ahead(str, iter(range(100)), 3)
    next(results)
    results.close()
    assert threading.active_count() == before
