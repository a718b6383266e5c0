"""A part of a process that signals end alone."""

from __future__ import annotations

import itertools
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

import pytest

from susystream import interruption
from susystream.interruption import ended_alone

BOTH = (signal.SIGTERM, signal.SIGHUP)
HANDLED = (*BOTH, signal.SIGINT)


@pytest.fixture
def outside() -> Iterator[list[int]]:
    """Signals that came where no part was run."""
    came: list[int] = []
    before = [(one, signal.signal(one, lambda number, _: came.append(number))) for one in BOTH]
    yield came
    for number, handler in before:
        signal.signal(number, handler)


def send(numbers: Sequence[signal.Signals]) -> None:
    """All of them at one moment."""
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    for number in numbers:
        signal.pthread_kill(threading.get_ident(), number)  # no other thread may take it
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


class Sent:
    """Signals that come at one step of Python within `ended_alone`; a tracer."""

    def __init__(self, numbers: Sequence[signal.Signals], *, at: int) -> None:
        self.numbers, self.left = numbers, at

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != interruption.__file__:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            self.left -= 1
            if self.left == 0:
                send(self.numbers)
        return self


@pytest.mark.parametrize("numbers", [BOTH[:1], BOTH[1:], BOTH])
@pytest.mark.parametrize("fails", [False, True])
def test_no_signal_gets_out_of_a_part_wherever_it_comes(
    outside: list[int], numbers: Sequence[signal.Signals], fails: bool
) -> None:
    def part() -> str:
        if fails:
            raise ValueError
        return "done"

    found, handlers, tracer = set(), [*map(signal.getsignal, HANDLED)], sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # Python 3.12 heeds it only where it stood before
    for at in itertools.count(1):
        sent = Sent(numbers, at=at)
        sys.settrace(sent)
        try:
            found.add(ended_alone(part, instead="ended"))
        except ValueError:
            found.add("failed")
        finally:
            sys.settrace(tracer)
        assert [*map(signal.getsignal, HANDLED)] == handlers
        if sent.left > 0:
            break
    assert at > 50  # so many steps there were
    assert found == {"ended", "failed" if fails else "done"}
    assert outside  # before and behind it they are none of its business


def test_a_part_that_unwinds_is_not_broken_off(outside: list[int]) -> None:
    told: list[str] = []

    def part() -> str:
        try:
            send(BOTH[1:])
        finally:
            send(BOTH)
            told.append("unwound")
        return "done"

    assert ended_alone(part, instead="ended") == "ended"
    assert (told, outside) == (["unwound"], [])
