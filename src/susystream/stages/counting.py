"""Counting one test set: in windows, each of which is tracked and kept until the end.

In: a test set and scorers. Out: exact counts, whether or not an earlier run was killed midway.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from susystream.data.files import FilesSource, file_states, named_by
from susystream.data.source import FileSource, Source
from susystream.evaluate.journal import Journal
from susystream.evaluate.windows import Counted, count_windows
from susystream.model.scorer import Scorer
from susystream.registry.document import ModelDocument
from susystream.schema import EventBatch
from susystream.stages.context import StageContext
from susystream.stages.testsets import NamedSet
from susystream.tracking.tracker import TrackedRun

_VERSION = 1  # count up with every change of what a window holds
_FLUSH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Counting:
    """What counts test sets for some models."""

    context: StageContext
    run: TrackedRun
    documents: Mapping[str, ModelDocument]
    scorers: Mapping[str, Scorer]

    def count(self, wanted: NamedSet) -> Counted:
        """Counts a set; what a killed run had counted of it is not scored again."""
        points, rows = _Points(self.run), wanted.source.rows
        with (
            self._journal(wanted) as journal,
            self.context.console.progress(f"rows of {wanted.name}", rows) as progress,
        ):
            counted = count_windows(
                lambda skip: _after(wanted.source, skip),
                scorers=self.scorers,
                journal=journal,
                window_rows=self.context.settings.evaluate.window_rows,
                on_window=points.of(wanted.name, several=len(self.scorers) > 1),
                on_progress=progress,
            )
            points.flush()
        if counted.resumed:
            self.context.console.say(f"  {wanted.name}: went on after {counted.resumed:,} rows")
        return counted

    def _journal(self, wanted: NamedSet) -> Journal:
        evaluate, source = self.context.settings.evaluate, wanted.source
        stated: dict[str, Any] = {
            "version": _VERSION,
            "set": wanted.described,
            "models": {key: one.weights_sha256 for key, one in self.documents.items()},
            "scorers": [type(scorer).__name__ for scorer in self.scorers.values()],
            "precision": evaluate.precision,
            "ensemble": evaluate.ensemble,
            "window_rows": evaluate.window_rows,
            "files": file_states(source),
        }
        place = [wanted.name, *self.documents, named_by(source)]
        name = hashlib.sha256(json.dumps(place).encode()).hexdigest()[:16]
        return Journal(self.context.settings.home / "evaluations" / name, stated)


def _after(source: Source, skip: int) -> Iterable[EventBatch]:
    """The events after the first `skip`."""
    if isinstance(source, FileSource | FilesSource):
        return replace(source, skip_rows=skip).batches()
    return _dropped(source.batches(), skip)


def _dropped(batches: Iterable[EventBatch], skip: int) -> Iterator[EventBatch]:
    for batch in batches:
        passed = min(skip, len(batch))
        skip -= passed
        if passed < len(batch):
            yield batch[passed:]


@dataclass(slots=True)
class _Points:
    """Figures of windows on their way to the tracking server, some seconds' worth at a time."""

    run: TrackedRun
    waiting: list[tuple[str, float, int]] = field(default_factory=list)
    last: float = field(default_factory=time.monotonic)

    def of(self, name: str, *, several: bool) -> Callable[[int, dict[str, dict[str, float]]], None]:
        """Takes the figures of a set's windows."""

        def take(number: int, figures: dict[str, dict[str, float]]) -> None:
            for model_id, found in figures.items():
                prefix = f"{model_id}/" if several else ""
                self.waiting += [
                    (f"{prefix}window/{name}/{key}", value, number) for key, value in found.items()
                ]
            if time.monotonic() - self.last > _FLUSH_SECONDS:
                self.flush()

        return take

    def flush(self) -> None:
        """Sends what waits."""
        self.run.log_points(self.waiting)
        self.waiting, self.last = [], time.monotonic()
