"""The Spark engine: the same tallies as the local one, on any master.

In: files that the workers see, and how to score. Out: `Counted`, equal to the local engine's bit
for bit. Each task reads lines or Parquet by `mapInArrow`, parses, scores and counts as the local
engine does; Spark merges the counts in a tree. Nothing of Spark is loaded before `with`.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from susystream.data.bad_rows import BadRows
from susystream.errors import DataError, EvaluationError
from susystream.evaluate.ensemble import NAME, Mean
from susystream.evaluate.spark_engine import session, worker
from susystream.evaluate.spark_engine.asking import Asking
from susystream.evaluate.spark_engine.failures import explained, is_sparks
from susystream.evaluate.spark_engine.first_task import run_first_task
from susystream.evaluate.spark_engine.inputs import blocks_of, frame_of, rows_of
from susystream.evaluate.spark_engine.process import DriverProcess
from susystream.evaluate.tally import Tally
from susystream.evaluate.windows import Counted
from susystream.model.scorer_plan import ScorerPlan
from susystream.stream.slices import ContentDigest

__all__ = ["SparkEngine"]

_FAN_IN = 8  # tallies that one task adds up: a large one has 84 MB
_POLL_SECONDS = 0.5
_START_SECONDS = 30.0  # within which one that is under way sees that it is given up
_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class SparkEngine:
    """Counts on one master; `with` starts a driver, which ends with the block.

    Args:
        master: `local[2]`, `local[*]`, `spark://host:port`, or what else Spark takes.
        memory: Of the driver and of each executor, as `2g`.
        options: More settings of Spark.
        batch_rows: Rows that a worker handles at once.
        timeout_seconds: Within which the first task must have run on a worker.

    Raises:
        EvaluationError: pyspark is not installed; nothing answers at the master; its workers run
            no task within the deadline, or lack susystream, or have another version; the driver
            lives on when it is killed.
        ServiceError: There is no Java.
    """

    def __init__(
        self,
        master: str,
        *,
        memory: str | None = None,
        options: Mapping[str, str] | None = None,
        batch_rows: int = 65_536,
        timeout_seconds: float = 90.0,
    ) -> None:
        self.master = master
        self._memory, self._options, self._batch_rows = memory, dict(options or {}), batch_rows
        self._timeout = timeout_seconds
        self._session: Any = None
        self._given_up = False

    def __enter__(self) -> SparkEngine:
        session.require_pyspark()
        session.check_reachable(self.master)
        session.check_alone()
        self._given_up = False
        self._folder = tempfile.TemporaryDirectory(
            prefix="susystream-spark-",
            ignore_cleanup_errors=True,  # what lives on may write to it
        )
        self._driver = DriverProcess(Path(self._folder.name))
        self._asking = Asking()
        self._asking.start()
        with self._ended_by_errors():
            self._within(self._timeout, self._open)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with _behind(error):
            if self._given_up:
                self._end(seconds=0.0)
                return
            with self._ended_by_errors(), suppress(Exception):  # what does not close is ended below
                self._within(self._timeout, lambda: session.close_session(self._session))
            self._end()

    def count(
        self,
        paths: Sequence[str],
        *,
        plans: Mapping[str, ScorerPlan],
        mean: Mean | None = None,
        limit: int | None = None,
        on_progress: Callable[[int], None] = lambda rows: None,
    ) -> Counted:
        """Scores and counts all rows of some files, numbered from 0 in the order of the paths.

        Args:
            paths: CSV, CSV.GZ or Parquet, all of one kind.
            plans: How to score, by model; at least one.
            mean: Of an ensemble of them, if there is to be one.
            limit: Only the first so many rows.
            on_progress: Called in the caller's thread with the rows of the tasks that ended.

        Raises:
            DataError: A file is missing, or a row is not 19 good numbers.
            EvaluationError: There is no model, logits cannot be counted, Spark failed, or the
                engine is not open.
        """
        if self._session is None:
            raise EvaluationError(
                "expected SparkEngine to count within its `with` block, received a count outside; "
                "open it around the count"
            )
        if not plans:
            raise EvaluationError("expected at least one model to evaluate, received none")
        job = worker.Job(dict(plans), {}, limit, mean)
        rows = self._session.sparkContext.accumulator(0)
        future = self._asking.submit(lambda: self._count(paths, job, rows.add))
        try:
            while not future.done():
                with suppress(NotYet):
                    future.exception(timeout=_POLL_SECONDS)
                on_progress(rows.value)
        except BaseException:
            self._given_up = True  # a job that runs would not let the session close
            raise
        counted: Counted = self._result(future)
        on_progress(counted.digest.rows)
        return counted

    def _count(
        self, paths: Sequence[str], job: worker.Job, on_rows: Callable[[int], None]
    ) -> Counted:
        frame = frame_of(self._session, paths)
        job = replace(job, blocks=blocks_of(frame, paths))
        shipped = self._session.sparkContext.broadcast(job)

        def work(batches: Iterator[Any]) -> Iterator[Any]:
            yield from worker.counted(batches, shipped.value, on_rows)

        parts = (
            rows_of(frame)
            .mapInArrow(work, worker.COUNTED)
            .rdd.map(lambda row: (row.model, (bytes(row.tally), bytes(row.digest))))
        )
        found = dict(_merged(parts).collect())
        shipped.destroy()
        return _proven(found, job)

    def _open(self) -> None:
        settings = session.settings_of(
            self.master,
            Path(self._folder.name),
            memory=self._memory,
            batch_rows=self._batch_rows,
            options=self._options,
        )
        self._session = session.open_session(settings, self._driver)
        run_first_task(self._session)

    def _within(self, seconds: float, work: Callable[[], _T]) -> _T:
        """The result of some work, which is given up after a while."""
        future = self._asking.submit(work)
        with suppress(NotYet):
            future.exception(timeout=seconds)
        if not future.done():
            raise EvaluationError(
                f"expected Spark at {self.master} to run a task within {seconds:g} s, received "
                "nothing; see whether it has free workers, or raise evaluate.engine.timeout_seconds"
            )
        return self._result(future)

    def _result(self, future: Future[_T]) -> _T:
        try:
            return future.result()
        except Exception as error:
            if not is_sparks(error):
                raise
            # without a session the driver itself may have failed, which only its log tells
            log = self._driver.last_words() if self._session is None else ""
            ended = self._session is not None and self._driver.has_ended()
            raise explained(error, master=self.master, log=log, ended=ended) from error

    @contextmanager
    def _ended_by_errors(self) -> Iterator[None]:
        """What goes wrong in the block, Ctrl-C too, ends the driver at once."""
        try:
            yield
        except BaseException as error:
            with _behind(error):
                self._end(seconds=0.0)
            raise

    def _end(self, **deadline: float) -> None:
        ended = False
        try:
            self._driver.end(**deadline)
            ended = True
        finally:  # where even kill did not help, what asks the driver waits for its answer
            if self._asking.end(_START_SECONDS if ended else 0.0):
                session.forget_session()  # else it is that thread's, and a later one is refused
            self._session = None
            self._folder.cleanup()


@contextmanager
def _behind(error: BaseException | None) -> Iterator[None]:
    """Where an error is under way, that is told, and one of the end stands in the log."""
    try:
        yield
    except EvaluationError as later:
        if error is None:
            raise
        _log.warning("%s", later)


def _merged(parts: Any) -> Any:
    """Adds up the parts of each model, some partitions at a time, until one partition is left."""
    left = parts.getNumPartitions()
    while left > 1:
        left = -(-left // _FAN_IN)
        parts = (
            _dealt(parts, left)
            .reduceByKey(worker.merged, left)
            .map(lambda one: (one[0][1], one[1]))
        )
    return parts


def _dealt(parts: Any, left: int) -> Any:
    def keyed(number: int, rows: Iterator[Any]) -> Iterator[Any]:
        for model, part in rows:
            yield (number % left, model), part

    return parts.mapPartitionsWithIndex(keyed)


def _proven(found: Mapping[str, worker.Part], job: worker.Job) -> Counted:
    """The counts, if every row was counted once for every model."""
    expected = sum(block.rows for block in job.blocks.values())
    if job.limit is not None:
        expected = min(expected, job.limit)
    digests = [worker.digest_of(part[1]) for part in found.values()] or [ContentDigest()]
    if any(one != digests[0] for one in digests) or digests[0].rows != expected:
        raise DataError(
            f"expected {expected:,} rows counted for each model, received "
            f"{[one.rows for one in digests]}; let no one write the file, and run again"
        )
    names = [*job.plans, *([NAME] if job.mean else [])]
    tallies = {
        name: Tally.from_bytes(found[name][0]) if name in found else Tally.empty() for name in names
    }
    return Counted(tallies, digests[0], 0, BadRows())
