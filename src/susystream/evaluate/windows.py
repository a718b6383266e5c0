"""An evaluation in windows of rows: figures of each, and a place to go on from after a kill.

In: a scan that can start at any row, scorers. Out: exact tallies of everything, the content's
digest, and rough figures of each window as it is finished.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from susystream.errors import EvaluationError
from susystream.evaluate import bins
from susystream.evaluate.bins import BinCounts
from susystream.evaluate.journal import Journal, ScoredWindow
from susystream.evaluate.local_engine import ReadAhead, Scored, Scorer, count, scored
from susystream.evaluate.metrics import main_figures
from susystream.evaluate.tally import Tally
from susystream.schema import EventBatch, Float32Array, UInt8Array
from susystream.stream.slices import ContentDigest

WINDOW_ROWS = 1_000_000
_ROUGH_LEVEL = 141  # bins of 2**-9 in the logit: an AUC to 1e-5, from a table that fits the cache
_ROUGH_BITS = np.uint32(15)  # of a key, which are the same in all keys of that level

OnWindow = Callable[[int, dict[str, dict[str, float]]], None]


@dataclass(frozen=True, slots=True)
class Counted:
    """All that a scan gave.

    Attributes:
        tallies: By model.
        digest: Of the events.
        resumed: Rows that were counted by a run before this one.
    """

    tallies: dict[str, Tally]
    digest: ContentDigest
    resumed: int


def count_windows(
    scan: Callable[[int], Iterable[EventBatch]],
    *,
    scorers: Mapping[str, Scorer],
    journal: Journal | None = None,
    window_rows: int = WINDOW_ROWS,
    on_window: OnWindow = lambda number, figures: None,
    on_progress: Callable[[int], None] = lambda rows: None,
) -> Counted:
    """Scores and counts a scan, window by window.

    Args:
        scan: Called once with the number of rows to pass over; gives the rest, in order.
        scorers: At least one, by name.
        journal: Keeps finished windows, and gives those of a run that was killed.
        window_rows: Rows a window.
        on_window: Called after each window with its number and rough figures of each model:
            `auc`, `accuracy` and `log_loss`; none of a window with one class alone.
        on_progress: Called with the rows counted so far.

    Raises:
        EvaluationError: There is no scorer, or logits cannot be counted.
    """
    if not scorers:
        raise EvaluationError("expected at least one model to evaluate, received none; name one")
    state = _State({name: Tally.empty() for name in scorers}, journal, on_window)
    resumed = state.recall(window_rows)
    on_progress(state.digest.rows)
    with closing(ReadAhead(_cut(scan(resumed), window_rows))) as batches:
        for one in scored(batches, scorers):
            state.add(one)
            on_progress(state.digest.rows)
            if state.digest.rows % window_rows == 0:
                state.finish()
    state.finish()
    return Counted(state.tallies, state.digest, resumed)


class _State:
    """Tallies and digest of everything, and the scores of the window under way."""

    def __init__(
        self, tallies: dict[str, Tally], journal: Journal | None, on_window: OnWindow
    ) -> None:
        self.tallies, self.digest = tallies, ContentDigest()
        self._journal, self._on_window = journal, on_window
        self._parts: list[Scored] = []
        self._number = 0

    def recall(self, window_rows: int) -> int:
        """Counts the finished windows of an earlier run; how many rows they hold."""
        for window in self._journal.finished() if self._journal else ():
            if len(window.labels) != window_rows:
                break  # the last one of a scan that had come to its end
            for name, logits in window.logits.items():
                count(self.tallies[name], name, logits, window.labels)
            self.digest = self.digest.merge(window.digest)
            self._tell(window)
        return self.digest.rows

    def add(self, one: Scored) -> None:
        """Counts a batch, none of which crosses the end of a window."""
        for name, logits in one.logits.items():
            count(self.tallies[name], name, logits, one.labels)
        self.digest = self.digest.merge(one.digest)
        self._parts.append(one)

    def finish(self) -> None:
        """Ends the window under way."""
        if not self._parts:
            return
        window = _joined(self._parts)
        if self._journal is not None:
            self._journal.write(self._number, window)
        self._parts = []
        self._tell(window)

    def _tell(self, window: ScoredWindow) -> None:
        figures = {
            name: rough_figures(logits, window.labels) for name, logits in window.logits.items()
        }
        self._on_window(self._number, figures)
        self._number += 1


def _joined(parts: list[Scored]) -> ScoredWindow:
    digest = ContentDigest()
    for part in parts:
        digest = digest.merge(part.digest)
    return ScoredWindow(
        np.concatenate([part.labels for part in parts]),
        {name: np.concatenate([part.logits[name] for part in parts]) for name in parts[0].logits},
        digest,
    )


def _cut(batches: Iterable[EventBatch], window_rows: int) -> Iterator[EventBatch]:
    """The batches, none of which crosses a multiple of `window_rows`."""
    room = window_rows
    for batch in batches:
        start = 0
        while start < len(batch):
            part = batch[start : start + room]
            yield part
            start += len(part)
            room = room - len(part) or window_rows


def rough_figures(logits: Float32Array, labels: UInt8Array) -> dict[str, float]:
    """AUC (to about 1e-5), accuracy (exact) and log loss of some events; none of one class alone.

    Counting into bins that are fixed beforehand needs no sort, which an exact AUC does.
    """
    if not 0 < int(labels.sum()) < len(labels):
        return {}
    keys = bins.coarse_keys(bins.score_keys(logits), _ROUGH_LEVEL)
    cells = (keys >> _ROUGH_BITS).astype(np.intp)
    cells <<= 1
    cells |= labels  # background and signal of a bin side by side
    found = np.bincount(cells, minlength=int(cells.max()) + 2)
    full = np.unique(np.flatnonzero(found) >> 1)
    rough = BinCounts(
        bins.coarse_keys((full << int(_ROUGH_BITS)).astype(np.uint32), _ROUGH_LEVEL),
        found[2 * full + 1],
        found[2 * full],
        _ROUGH_LEVEL,
        len(labels),
    )
    return main_figures(Tally.of(rough))
