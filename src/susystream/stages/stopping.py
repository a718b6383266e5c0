"""A service stops between two pieces of work, not within one.

In: SIGTERM or Ctrl-C. Out: an event that the loop looks at.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from susystream.interruption import pass_over_sigterm

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stop_requested() -> Iterator[threading.Event]:
    """An event that the first signal sets; a second one interrupts as it does elsewhere.

    After Ctrl-C only another Ctrl-C does.

    Python hands signals to the main thread alone: in another one the event is never set.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {one: signal.getsignal(one) for one in _SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()
        restore()
        if number == signal.SIGINT:  # `mlflow run` sends SIGTERM after it
            pass_over_sigterm()

    for one in _SIGNALS:
        signal.signal(one, on_signal)
    try:
        yield stop
    finally:
        restore()
