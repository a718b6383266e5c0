"""Which figures of a run come first.

In: points as they are measured. Out: the same, but those that only accompany a run (the machine,
the reading of a stream) behind the first that it is about.

MLflow's UI lists figures in the order in which a local database got them, and its comparison of
runs opens with the first: without this that were the processor's load, or a lag of 0 messages. A
point keeps the time at which it was measured, so that charts are right however long it waited.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

_MOST = 100_000  # points: some 20 MB, and more than the machine has of a run of days


class Precedence:
    """Holds back points that accompany a run until its own figures, or until its end.

    Several threads may call it.

    Args:
        most: Points that are held; of more, all go at once.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._lock, self._begun, self._held = threading.Lock(), False, list[Any]()

    def passed(self, points: Sequence[Any], *, beside: bool) -> list[Any]:
        """What is to be sent now, in this order.

        Args:
            points: Measured just now.
            beside: Whether they only accompany the run.
        """
        with self._lock:
            many = len(self._held) + len(points) > self._most
            self._begun = self._begun or many or (not beside and bool(points))
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
