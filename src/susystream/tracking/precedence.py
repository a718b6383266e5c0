"""Which figures of a run come first.

In: points as they are measured. Out: the same, but those that only accompany a run (the machine,
the reading of a stream) behind the first that it is about.

MLflow's UI lists figures in the order in which a local database got them, and its comparison of
runs opens with the first: without this that were the processor's load, or a lag of 0 messages. A
point keeps the time at which it was measured, so that charts are right however long it waited.

A long run is watched, and may be killed outright: the first point that comes after ten minutes lets
all go, and the comparison of a run without figures of its own until then opens with the processor's
load. No clock does: until that point comes, those before it wait.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

_MOST = 100_000  # points: some 20 MB, and more than the machine has of a run of days
_LONGEST_SECONDS = 600.0


class Precedence:
    """Holds back points that accompany a run until its own figures, or for some minutes.

    Several threads may call it.

    Args:
        most: Points that are held; of more, all go at once.
        seconds: The first point that comes so long after the first that is held lets all go.
    """

    def __init__(self, most: int = _MOST, *, seconds: float = _LONGEST_SECONDS) -> None:
        self._most, self._seconds = most, seconds
        self._lock, self._begun, self._held = threading.Lock(), False, list[Any]()
        self._since = 0.0  # when the first of them came

    def passed(self, points: Sequence[Any], *, beside: bool) -> list[Any]:
        """What is to be sent now, in this order.

        Args:
            points: Measured just now.
            beside: Whether they only accompany the run.
        """
        with self._lock:
            enough = self._is_enough(len(points))
            self._begun = self._begun or enough or (not beside and bool(points))
            if not self._begun:
                self._held += points
                return []
            held, self._held = self._held, []
            return [*held, *points] if beside else [*points, *held]

    def _is_enough(self, more: int) -> bool:
        """Whether what is held has waited long enough, or would be too much with so many more."""
        now = time.monotonic()
        self._since = self._since if self._held else now
        return len(self._held) + more > self._most or now - self._since > self._seconds

    def rest(self) -> list[Any]:
        """What is still held when the run ends."""
        with self._lock:
            self._begun, held, self._held = True, self._held, []
            return held
