"""What a person and MLflow see of live scoring while it goes on.

In: what was committed, and when. Out: a line and figures every few seconds, and totals at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np

from susystream.errors import TrackingError
from susystream.stages.console import Console
from susystream.stages.latency import Latency
from susystream.stages.scoring import Batch
from susystream.tracking.tracker import TrackedRun


@dataclass(slots=True)
class ScoreReport:
    """Counts committed batches alone; `with` waits for figures that are being tracked.

    Figures are tracked by a thread of its own: a slow tracking server delays no event.

    Attributes:
        run: Takes the figures of each period as steps.
        console: Takes a line of each.
        every_seconds: A period.
        lag: Messages still to read, asked once a period.
        events: Scored so far.
        messages: Read so far.
        bad: Of these, set aside.
        models: Whose scores they are, in order.
        latency: From a message's time stamp to the commit of its scores, by event.
    """

    run: TrackedRun
    console: Console
    every_seconds: float
    lag: Callable[[], int]
    events: int = field(default=0, init=False)
    messages: int = field(default=0, init=False)
    bad: int = field(default=0, init=False)
    models: dict[str, None] = field(default_factory=dict, init=False)
    transactions: int = field(default=0, init=False)
    busy_seconds: float = field(default=0.0, init=False)
    latency: Latency = field(default_factory=Latency, init=False)
    _period: Latency = field(default_factory=Latency, init=False)
    _periods: int = field(default=0, init=False)
    _began: float = field(default_factory=time.monotonic, init=False)
    _untracked: bool = field(default=False, init=False)
    _tracking: ThreadPoolExecutor = field(init=False, repr=False)
    _pending: Future[None] | None = field(default=None, init=False)
    _waiting: list[tuple[str, float, int]] = field(default_factory=list, init=False)

    def __enter__(self) -> ScoreReport:
        self._tracking = ThreadPoolExecutor(1, "tracking")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._tracking.shutdown()  # what is under way has its deadline
        self._track(self._waiting)

    def add(self, batch: Batch, seconds: float) -> None:
        """Adds what was just committed, after so many seconds of work on it."""
        now_ms = time.time() * 1000
        stamps = np.array([one.timestamp_ms for one in batch.read], np.float64)
        events, stamped = np.array(batch.events, np.int64), stamps >= 0
        for latency in (self.latency, self._period):
            latency.add(now_ms - stamps[stamped], events[stamped])
        self.models[batch.model_id] = None
        self.events += int(events.sum())
        self.messages += len(batch.read)
        self.bad += batch.bad
        self.transactions += 1
        self.busy_seconds += seconds

    def tick(self) -> None:
        """Reports, if a period is over."""
        now = time.monotonic()
        if now - self._began < self.every_seconds:
            return
        found, lag = self._period, self.lag()
        rate = found.events / (now - self._began)
        self._say(found, rate, lag)
        figures = {"score/events_per_second": rate, "score/lag_messages": float(lag)}
        figures |= found.metrics("score/latency")
        self._waiting += [(name, value, self._periods) for name, value in figures.items()]
        if self._pending is None or self._pending.done():  # a slow server gets several at once
            self._pending = self._tracking.submit(self._track, self._waiting)
            self._waiting = []
        self._period, self._began, self._periods = Latency(), now, self._periods + 1

    def totals(self) -> dict[str, float]:
        """Figures of all of it; the rate is that while there was work."""
        found = {
            "score/events": float(self.events),
            "score/messages": float(self.messages),
            "score/transactions": float(self.transactions),
            "stream/bad_messages": float(self.bad),
        }
        if self.busy_seconds:
            found["score/busy_events_per_second"] = self.events / self.busy_seconds
        return found | self.latency.metrics("score/total_latency")

    def _say(self, found: Latency, rate: float, lag: int) -> None:
        percentiles = found.percentiles((50.0, 99.0))
        if not percentiles:
            self.console.say(f"  {self.events:,} events so far; waiting, lag {lag:,} messages")
            return
        half, most = percentiles
        self.console.say(
            f"  {self.events:,} events so far, {rate:,.0f}/s; latency p50 {_ms(half)}, "
            f"p99 {_ms(most)}; lag {lag:,}"
        )

    def _track(self, points: list[tuple[str, float, int]]) -> None:
        """Scoring goes on even if the tracking server refuses its figures."""
        try:
            self.run.log_points(points)
            self._untracked = False
        except TrackingError as error:
            if not self._untracked:
                self.console.say(f"  scoring goes on without its figures: {error}")
            self._untracked = True


def _ms(milliseconds: float) -> str:
    if milliseconds < 1000:
        return f"{milliseconds:.3g} ms"
    return f"{milliseconds / 1000:,.1f} s"
