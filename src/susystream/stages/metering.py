"""How fast a run reads its slices, and how far behind their ends it is.

In: what readers tell after each piece. Out: step metrics of the run, a few a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from susystream.stream.ordering import OnRead
from susystream.stream.slices import TopicSlice
from susystream.tracking.tracker import TrackedRun

_EVERY_SECONDS = 5.0


@dataclass(slots=True)
class Meter:
    """Logs samples from the thread that reads: no other is started, and a sample is one request.

    The step is the number of events read in the run, over all reads of its slices. Rates are those
    since the sample before, so they are what the consumer took, not what the broker could give:
    `stream/events_per_second_now`, `stream/messages_per_second_now`. `stream/lag_messages` is the
    slice's end minus the position, over all partitions of the read that goes on.

    Attributes:
        run: Where samples go.
        every_seconds: At most one in so many, but for the first and the last.
    """

    run: TrackedRun
    every_seconds: float = _EVERY_SECONDS
    clock: Callable[[], float] = time.monotonic
    _events: int = field(default=0, init=False)
    _messages: int = field(default=0, init=False)
    _lag: int = field(default=0, init=False)
    _begun: float = field(default=0.0, init=False)
    _sample: tuple[float, int, int] | None = field(default=None, init=False)

    def watching(self, wanted: TopicSlice) -> OnRead:
        """What a reader of the slice has to tell of its progress, from its start."""
        before = [0, 0]
        if not self._begun:
            self._begun = self.clock()

        def on_read(messages: int, events: int) -> None:
            self._messages += messages - before[0]
            self._events += events - before[1]
            self._lag = wanted.messages - messages
            before[:] = messages, events
            if self._sample is None or self.clock() - self._sample[0] >= self.every_seconds:
                self._log()

        return on_read

    def finish(self) -> None:
        """Logs where the reading ended, unless the last sample says it."""
        if self._sample is not None and self._sample[1:] != (self._events, self._messages):
            self._log()

    def _log(self) -> None:
        now = self.clock()
        since, events, messages = self._sample or (self._begun, 0, 0)
        seconds = max(now - since, 1e-9)
        self._sample = now, self._events, self._messages
        figures = {
            "stream/lag_messages": float(self._lag),
            "stream/events_per_second_now": (self._events - events) / seconds,
            "stream/messages_per_second_now": (self._messages - messages) / seconds,
        }
        self.run.log_metrics(figures, step=self._events, beside=True)
