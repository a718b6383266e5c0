"""A service ends between two pieces of work."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from susystream.stages.stopping import stop_requested


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_an_event_and_a_second_one_interrupts(number: signal.Signals) -> None:
    seen: list[int] = []
    before = signal.signal(number, lambda number, frame: seen.append(number))
    try:
        with stop_requested() as stop:
            os.kill(os.getpid(), number)
            assert stop.wait(5)
            assert seen == []
            os.kill(os.getpid(), number)
            assert seen == [number]
    finally:
        signal.signal(number, before)


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)]
    with stop_requested():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)] == before


def test_another_thread_has_no_signals_to_wait_for() -> None:
    found: list[bool] = []

    def work() -> None:
        with stop_requested() as stop:
            found.append(stop.is_set())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(5)
    assert found == [False]
