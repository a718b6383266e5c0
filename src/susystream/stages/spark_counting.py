"""Counting test sets by Spark: the same counts, without windows.

In: a test set and how to score. Out: exact counts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from susystream.data.enlarge import write_parquet
from susystream.data.files import FilesSource, about_rows, paths_of
from susystream.data.source import FileSource, check_end
from susystream.evaluate.spark_engine import SparkEngine
from susystream.evaluate.windows import Counted
from susystream.model.scorer_plan import ScorerPlan
from susystream.registry.document import ModelDocument
from susystream.settings.engine import SparkEngine as SparkSettings
from susystream.stages.console import Progress
from susystream.stages.context import StageContext
from susystream.stages.memory import memory_in_use
from susystream.stages.testsets import NamedSet


@dataclass(frozen=True, slots=True)
class SparkCounting:
    """What counts test sets for some models on Spark's workers."""

    context: StageContext
    documents: Mapping[str, ModelDocument]
    plans: Mapping[str, ScorerPlan]
    engine: SparkEngine

    def count(self, wanted: NamedSet) -> Counted:
        """Counts a set.

        Raises:
            DataError: The file does not hold the expected number of rows, or a bad one.
        """
        source = self._as_files(wanted)
        what, rows, about = f"rows of {wanted.name}", about_rows(source), source.rows is None
        with self.context.console.progress(what, rows, about=about) as progress:
            counted = self.engine.count(
                [str(path) for path in paths_of(source)],
                plans=self.plans,
                mean=self.context.settings.evaluate.ensemble,
                limit=source.limit,
                on_progress=partial(_looked_at, progress),
            )
        if counted.digest.rows != source.limit:
            check_end(source, counted.digest.rows)
        return counted

    def _as_files(self, wanted: NamedSet) -> FileSource | FilesSource:
        """The set's files; events from elsewhere are written to one, for workers read files."""
        source = wanted.source
        if isinstance(source, FileSource | FilesSource):
            return source
        name = hashlib.sha256(json.dumps(source.describe()).encode()).hexdigest()[:16]
        path = self.context.settings.home / "testsets" / f"{source.name}-{name}.parquet"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_parquet(source.batches(), path, progress=lambda rows: None, numbered=True)
        return FileSource(path, expected_rows=source.rows)


def _looked_at(progress: Progress, rows: int) -> None:
    """Also looks at the memory: Spark's driver and workers are processes of their own."""
    memory_in_use()
    progress(rows)


@contextmanager
def spark_counting(
    context: StageContext,
    chosen: SparkSettings,
    documents: Mapping[str, ModelDocument],
    plans: Mapping[str, ScorerPlan],
) -> Iterator[SparkCounting]:
    """A counting on Spark, whose driver ends with the block."""
    engine = SparkEngine(
        chosen.master,
        memory=chosen.memory,
        options=chosen.spark_options,
        batch_rows=context.settings.evaluate.batch_rows,
        timeout_seconds=chosen.timeout_seconds,
    )
    with engine as opened:
        yield SparkCounting(context, documents, plans, opened)
