"""Counting one test set: in windows, each of which is tracked and kept until the end.

In: a test set and scorers. Out: exact counts, whether or not an earlier run was killed midway.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from susystream.data.files import (
    FilesSource,
    about_rows,
    file_states,
    named_by,
    paths_of,
    sifted_events,
)
from susystream.data.parts import Part
from susystream.data.source import FileSource, Source, bounded
from susystream.errors import DataError
from susystream.evaluate.ensemble import NAME, with_ensemble
from susystream.evaluate.journal import Journal
from susystream.evaluate.windows import Counted, OpenScored, count_windows, scored_here
from susystream.evaluate.workers import Workers
from susystream.model.scorer import Scorer
from susystream.model.scorer_plan import ScorerPlan
from susystream.processors import processor_name
from susystream.registry.document import ModelDocument
from susystream.schema import EventBatch
from susystream.stages.context import StageContext
from susystream.stages.testsets import NamedSet
from susystream.stages.window_points import WindowPoints
from susystream.tracking.code import version_of
from susystream.tracking.tracker import TrackedRun

_VERSION = 2  # count up with every change of what a window holds


@dataclass(frozen=True)
class Counting:
    """What counts test sets for some models."""

    context: StageContext
    run: TrackedRun
    runs: Mapping[str, TrackedRun]  # of each model
    documents: Mapping[str, ModelDocument]
    plans: Mapping[str, ScorerPlan]
    kept: ExitStack  # holds the finished windows until all that they led to is recorded

    def count(self, wanted: NamedSet) -> Counted:
        """Counts a set; what a killed run had counted of it is not scored again."""
        source = wanted.source
        rows = about_rows(source) if isinstance(source, FileSource | FilesSource) else source.rows
        about, what = source.rows is None, f"rows of {wanted.name}"
        files = file_states(source)
        journal = self.kept.enter_context(self._journal(wanted))
        with self.context.console.progress(what, rows, about=about) as progress:
            points = WindowPoints(self.run, self.runs, wanted.name, progress)
            counted = count_windows(
                scored_source(
                    self.context, source, plans=self.plans, scorers=lambda: self._scorers
                ),
                models=self.names,
                journal=journal,
                window_rows=self.context.settings.evaluate.window_rows,
                on_window=points.window,
                on_progress=points.progress,
            )
            points.finish()
        _check_unchanged(source, files)
        if counted.resumed:
            self.context.note(f"{wanted.name}: went on after {counted.resumed:,} rows")
        return counted

    @property
    def names(self) -> list[str]:
        """Of all that is scored."""
        return [*self.plans, *([NAME] if self.context.settings.evaluate.ensemble else [])]

    @cached_property
    def _scorers(self) -> dict[str, Scorer]:
        """Opened in this process, once for all sets."""
        scorers = {name: plan.open() for name, plan in self.plans.items()}
        return with_ensemble(scorers, self.context.settings.evaluate.ensemble)

    def _journal(self, wanted: NamedSet) -> Journal:
        evaluate, source = self.context.settings.evaluate, wanted.source
        stated: dict[str, Any] = {
            "version": _VERSION,
            "set": wanted.described,
            "models": {key: one.weights_sha256 for key, one in self.documents.items()},
            "scorers": [type(plan).__name__ for plan in self.plans.values()],
            "bad_rows": evaluate.bad_rows,
            "precision": evaluate.precision,
            "ensemble": evaluate.ensemble,
            "window_rows": evaluate.window_rows,
            "files": file_states(source),
            "versions": _versions(),
        }
        place = [wanted.name, *self.documents, named_by(source)]
        name = hashlib.sha256(json.dumps(place).encode()).hexdigest()[:16]
        return Journal(self.context.settings.home / "evaluations" / name, stated)


def scored_source(
    context: StageContext,
    source: Source,
    *,
    plans: Mapping[str, ScorerPlan],
    scorers: Callable[[], Mapping[str, Scorer]],
) -> OpenScored:
    """How a source is scored: files by worker processes if there are to be some.

    Args:
        context: Whose settings say it.
        source: The events.
        plans: For the workers.
        scorers: Called where this process scores.
    """
    chosen = context.settings.evaluate
    skip_bad, rows = chosen.bad_rows == "skip", chosen.window_rows
    if chosen.workers == 1 or not isinstance(source, FileSource | FilesSource):
        if chosen.workers > 1:
            context.note(f"{source.name} is no file: one process scores it")
        scan = partial(_after, source, skip_bad=skip_bad)
        return scored_here(scan, scorers=scorers(), window_rows=rows)
    workers = Workers(plans, chosen.ensemble, chosen.workers)
    return workers.scored(
        paths_of(source),
        skip_bad=skip_bad,
        window_rows=rows,
        bounded=lambda rows, before: bounded(rows, source, before=before),
    )


def _check_unchanged(source: Source, files: object) -> None:
    """Whether files are what they were before they were read.

    Raises:
        DataError: One is not.
    """
    if file_states(source) != files:
        raise DataError(
            f"expected {named_by(source)} to stay as it is while it is read, received another "
            "size or time of change; let its writer finish, and run again"
        )


def _versions() -> dict[str, str]:
    """What decides about the last bits of a score: a resumed run must not mix them."""
    found = {name: version_of(name) for name in ("openvino", "tensorflow", "polars", "numpy")}
    return found | {"processor": processor_name()}


def _after(source: Source, skip: int, *, skip_bad: bool) -> Iterable[EventBatch | Part]:
    """The rows after the first `skip`."""
    if not isinstance(source, FileSource | FilesSource):
        return _dropped(source.batches(), skip)
    rest = replace(source, skip_rows=skip)
    return sifted_events(rest) if skip_bad else rest.batches()


def _dropped(batches: Iterable[EventBatch], skip: int) -> Iterator[EventBatch]:
    for batch in batches:
        passed = min(skip, len(batch))
        skip -= passed
        if passed < len(batch):
            yield batch[passed:]
