"""Which figures of a run come first.

In: points as they are measured. Out: the same, but those that only accompany a run (the machine,
the reading of a stream) behind the first that it is about.

MLflow's UI lists figures in the order in which a local database got them, and its comparison of
runs opens with the first: without this that were the processor's load, or a lag of 0 messages.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

_AT_MOST_SECONDS = 30.0  # whoever watches a long run sees its stream and machine all the same


class Precedence:
    """Holds back points that accompany a run until its own figures, but not for long.

    Several threads may call it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began = clock, clock()
        self._lock, self._begun, self._held = threading.Lock(), False, list[Any]()

    def passed(self, points: Sequence[Any], *, beside: bool) -> list[Any]:
        """What is to be sent now, in this order.

        Args:
            points: Measured just now.
            beside: Whether they only accompany the run.
        """
        with self._lock:
            late = self._clock() - self._began >= _AT_MOST_SECONDS
            self._begun = self._begun or late or (not beside and bool(points))
            if not self._begun:
                self._held += points
                return []
            held, self._held = self._held, []
            return [*held, *points] if beside else [*points, *held]

    def rest(self) -> list[Any]:
        """What is still held when the run ends."""
        with self._lock:
            self._begun, held, self._held = True, self._held, []
            return held
