"""Items made ahead: all of them, in order, no more than asked for, and no thread stays behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator

import pytest

from susystream.errors import StreamStalled
from susystream.stream.ahead import ahead


class Source:
    """Counts; knows how far it came, in which threads, and whether it was closed."""

    def __init__(self, end: int, fault: BaseException | None = None) -> None:
        self.end, self.fault = end, fault
        self.made, self.closed = 0, 0
        self.threads: set[str] = set()

    def __call__(self) -> Generator[int, None, None]:
        try:
            for number in range(self.end):
                self.made += 1
                self.threads.add(threading.current_thread().name)
                yield number
            if self.fault:
                raise self.fault
        finally:
            self.threads.add(threading.current_thread().name)
            self.closed += 1


def within(seconds: float, true: Callable[[], bool]) -> bool:
    ends = time.monotonic() + seconds
    while not true() and time.monotonic() < ends:
        time.sleep(0.005)
    return true()


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name == "read-ahead"]


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("end", [0, 1, 2, 1000])
def test_all_items_come_in_order(end: int, depth: int) -> None:
    source = Source(end)
    assert list(ahead(source(), depth=depth)) == list(range(end))
    assert source.closed == 1
    assert source.threads == {"read-ahead"}
    assert not threads()


@pytest.mark.parametrize("depth", [1, 3])
def test_the_source_is_ahead_by_so_many_and_no_more(depth: int) -> None:
    source = Source(100)
    items = ahead(source(), depth=depth)
    for number in range(20):
        assert next(items) == number
        assert within(30, lambda: source.made == number + 1 + depth)  # noqa: B023
    time.sleep(0.1)
    assert source.made == 20 + depth
    items.close()


def test_nothing_is_made_before_the_first_is_asked_for() -> None:
    source = Source(9)
    ahead(source())
    assert source.made == 0
    assert not threads()


@pytest.mark.parametrize("fault", [StreamStalled("silence"), KeyboardInterrupt(), ValueError()])
def test_an_error_comes_after_the_items_before_it(fault: BaseException) -> None:
    source, seen = Source(3, fault), list[int]()
    with pytest.raises(type(fault)) as caught:
        seen.extend(ahead(source()))
    assert caught.value is fault
    assert seen == [0, 1, 2]
    assert source.closed == 1
    assert not threads()


def test_one_that_is_left_early_closes_its_source() -> None:
    source = Source(1000)
    items = ahead(source())
    next(items)
    items.close()
    assert source.closed == 1
    assert source.made <= 3
    assert not threads()
