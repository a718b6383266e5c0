"""The thread in which Spark is asked, so that another can hold deadlines and show progress.

In: work. Out: its future. It is one thread, for Java keeps one of its own for each of ours. A
driver that something holds never answers, and Python waits without limit for the threads of an
executor when it ends: not for this one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

_T = TypeVar("_T")


class Asking:
    """Does one work after the other, from `start` to `end`."""

    def __init__(self) -> None:
        self._works: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="spark", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def submit(self, work: Callable[[], _T]) -> Future[_T]:
        """What becomes of some work, once all before it is done."""
        future: Future[_T] = Future()
        self._works.put(partial(_do, work, future))
        return future

    def end(self, seconds: float) -> bool:
        """Takes no more; whether what was under way ended, for which it waits so long at most."""
        self._works.put(None)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (work := self._works.get()) is not None:
            work()
            del work  # a result is large, and the next work may not come for long


def _do(work: Callable[[], _T], future: Future[_T]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # whoever waits for it is told
        future.set_exception(error)
    finally:
        del work, future  # the frame is a part of the error, which the future holds
