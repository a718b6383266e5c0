"""An evaluation in windows of rows: figures of each, and a place to go on from after a kill.

In: scored rows from any row on. Out: exact tallies of everything, the content's
digest, and rough figures of each window as it is finished.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

from susystream.data.bad_rows import BadRows
from susystream.data.parts import Part
from susystream.errors import EvaluationError
from susystream.evaluate.journal import Journal
from susystream.evaluate.local_engine import as_parts, closing_too, count, scored
from susystream.evaluate.rough import rough_figures
from susystream.evaluate.scored import Scored, ScoredRows, joined
from susystream.evaluate.tally import Tally
from susystream.model.scorer import Scorer
from susystream.schema import EventBatch
from susystream.stream.slices import ContentDigest

WINDOW_ROWS = 1_000_000

_Rows = TypeVar("_Rows", Part, ScoredRows)
OpenScored = Callable[[int], AbstractContextManager[Iterator[Scored]]]
OnWindow = Callable[[int, dict[str, dict[str, float]]], None]


@dataclass(frozen=True, slots=True)
class Counted:
    """All that a scan gave.

    Attributes:
        tallies: By model.
        digest: Of the events.
        resumed: Rows that were read by a run before this one.
        bad: Rows that were no events, of both runs.
    """

    tallies: dict[str, Tally]
    digest: ContentDigest
    resumed: int
    bad: BadRows


def count_windows(
    scored: OpenScored,
    *,
    models: Iterable[str],
    journal: Journal | None = None,
    window_rows: int = WINDOW_ROWS,
    on_window: OnWindow = lambda number, figures: None,
    on_progress: Callable[[int], None] = lambda rows: None,
) -> Counted:
    """Counts what was scored, window by window.

    Args:
        scored: Called once with the number of rows to pass over; opens the rest, in order, none
            of which crosses a multiple of `window_rows`: `scored_here`, or worker processes.
        models: The names of the logits, at least one.
        journal: Keeps finished windows, and gives those of a run that was killed.
        window_rows: Rows a window, good and bad.
        on_window: Called after each window with its number and rough figures of each model:
            `auc`, `accuracy` and `log_loss`; none of a window with one class alone.
        on_progress: Called with the rows read so far.

    Raises:
        EvaluationError: There is no model, logits cannot be counted, or a model has no score for
            some events.
    """
    state = _State({name: Tally.empty() for name in models}, journal, on_window)
    if not state.tallies:
        raise EvaluationError("expected at least one model to evaluate, received none; name one")
    resumed = state.recall(window_rows)
    on_progress(resumed)
    with scored(resumed) as parts:
        for one in parts:
            state.add(one)
            on_progress(state.rows)
            if state.rows % window_rows == 0:
                state.finish()
    state.finish()
    _check_whole(state.tallies, state.digest.rows)
    return Counted(state.tallies, state.digest, resumed, state.bad)


def scored_here(
    scan: Callable[[int], Iterable[EventBatch | Part]],
    *,
    scorers: Mapping[str, Scorer],
    window_rows: int = WINDOW_ROWS,
) -> OpenScored:
    """For `count_windows`: a thread reads, a few score.

    Args:
        scan: Called with the number of rows to pass over; gives the rest, in order.
        scorers: By name.
        window_rows: No part crosses a multiple of it.
    """
    return lambda skip: scored(cut_at(as_parts(scan(skip)), window_rows), scorers)


class _State:
    """Tallies and digest of everything, and the scores of the window under way."""

    def __init__(
        self, tallies: dict[str, Tally], journal: Journal | None, on_window: OnWindow
    ) -> None:
        self.tallies, self.digest, self.bad, self.rows = tallies, ContentDigest(), BadRows(), 0
        self._journal, self._on_window = journal, on_window
        self._parts: list[Scored] = []
        self._number = 0

    def recall(self, window_rows: int) -> int:
        """Counts the finished windows of an earlier run; how many rows they hold."""
        for window in self._journal.finished(self.tallies) if self._journal else ():
            if window.rows != window_rows:
                break  # the last one of a scan that had come to its end
            self._count(window)
            self._tell(window)
        return self.rows

    def add(self, one: Scored) -> None:
        """Counts a part, none of which crosses the end of a window."""
        self._count(one)
        self._parts.append(one)

    def finish(self) -> None:
        """Ends the window under way."""
        if not self._parts:
            return
        window = joined(self._parts)
        if self._journal is not None:
            self._journal.write(self._number, window)
        self._parts = []
        self._tell(window)

    def _count(self, one: Scored) -> None:
        for name, logits in one.logits.items():
            count(self.tallies[name], name, logits, one.labels)
        self.digest = self.digest.merge(one.digest)
        self.bad.add(one.rows - len(one.labels), one.bad)
        self.rows += one.rows

    def _tell(self, window: Scored) -> None:
        figures = {
            name: rough_figures(logits, window.labels) for name, logits in window.logits.items()
        }
        self._on_window(self._number, figures)
        self._number += 1


def _check_whole(tallies: Mapping[str, Tally], rows: int) -> None:
    """Every event was scored by every model: what loses scores on their way is noticed here."""
    for name, counted in tallies.items():
        if counted.rows != rows:
            raise EvaluationError(
                f"expected scores of model {name} for all {rows:,} events, received "
                f"{counted.rows:,}; evaluate the set again"
            )


def cut_at(parts: Iterator[_Rows], window_rows: int) -> Iterator[_Rows]:
    """The same rows in parts, none of which crosses a multiple of `window_rows`."""
    room = window_rows
    with closing_too(parts):
        for part in parts:
            start = 0
            while start < len(part):
                piece = part[start : start + room]
                yield piece
                start += len(piece)
                room = room - len(piece) or window_rows
