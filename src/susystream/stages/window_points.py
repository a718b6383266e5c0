"""What is tracked of each window: its figures, how fast it went, and the memory in use.

In: windows as they are finished. Out: step metrics on the tracking server, some seconds' worth at a
time, and a picture of speed and memory over time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from susystream.plots.pace import Moment, joined, last_speed, pace_figure
from susystream.stages.memory import memory_in_use
from susystream.tracking.tracker import TrackedRun

_FLUSH_SECONDS = 10.0
_PACE = ""  # of no model
_FEWEST = 3  # moments that are drawn: fewer are no picture


@dataclass(slots=True)
class WindowPoints:
    """The windows of one test set.

    Attributes:
        run: Where the pace is tracked.
        runs: Where the figures of each model are.
        name: The set's.
        on_progress: Also told of the rows read.
    """

    run: TrackedRun
    runs: Mapping[str, TrackedRun]
    name: str
    on_progress: Callable[[int], None]
    _waiting: dict[str, list[tuple[str, float, int]]] = field(default_factory=dict)
    _flushed: float = field(default_factory=time.monotonic)
    _rows: int = 0
    _pace: list[Moment] = field(default_factory=list)

    def progress(self, rows: int) -> None:
        """Takes the rows read so far; the first call says where this run begins."""
        if not self._pace:
            self._pace.append((time.monotonic(), rows, memory_in_use()))
        self._rows = rows
        self.on_progress(rows)

    def window(self, number: int, figures: dict[str, dict[str, float]]) -> None:
        """Takes a window; those before the first progress are of an earlier run."""
        under = f"window/{self.name}"
        for model_id, found in figures.items():
            self._add(model_id, number, {f"{under}/{key}": v for key, v in found.items()})
        if self._pace:
            memory = memory_in_use()
            self._pace.append((time.monotonic(), self._rows, memory))
            rate = last_speed(self._pace)
            pace = {f"{under}/rows_per_second": rate, f"{under}/memory_bytes": memory}
            self._add(_PACE, number, pace)
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Sends what waits."""
        for name, points in self._waiting.items():
            self.runs.get(name, self.run).log_points(points, beside=True)
        self._waiting, self._flushed = {}, time.monotonic()

    def finish(self) -> None:
        """Sends the rest, and the picture if there is anything to see."""
        self.flush()
        if self._pace and len(joined(self._pace)) > _FEWEST:
            picture = partial(pace_figure, self.name, self._pace)
            self.run.log_figure(f"plots/pace_{self.name}.png", picture)

    def _add(self, whose: str, number: int, values: dict[str, float]) -> None:
        waiting = self._waiting.setdefault(whose, [])
        waiting += [(name, value, number) for name, value in values.items()]
