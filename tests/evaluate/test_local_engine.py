"""The local engine overlaps reading and scoring, and always ends its thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import numpy as np
import pytest
from evaluate.plain import plain_tallies

from susystream.errors import BadRow, EvaluationError
from susystream.evaluate.local_engine import AHEAD, ReadAhead, as_parts, scored
from susystream.evaluate.scored import Scored
from susystream.evaluate.tally import Tally
from susystream.evaluate.windows import count_windows
from susystream.model.scorer import Scorer
from susystream.schema import FEATURES, EventBatch, Float32Array


@dataclass(frozen=True)
class Linear:
    """A deterministic scorer: a weighted sum of the features."""

    seed: int = 0
    seconds: float = 0.0

    def logits(self, features: Float32Array) -> Float32Array:
        time.sleep(self.seconds)
        weights = np.random.default_rng(self.seed).normal(size=len(FEATURES))
        return (features @ weights.astype(np.float32)).astype(np.float32)


@dataclass
class Failing:
    """Scores some batches, then does something else."""

    then: Callable[[Float32Array], Float32Array]
    left: int = 2

    def logits(self, features: Float32Array) -> Float32Array:
        self.left -= 1
        return features[:, 0].copy() if self.left >= 0 else self.then(features)


@dataclass
class Scan:
    """Batches of seeded events; remembers how far it was read and that it was closed."""

    batches: int = 10
    seconds: float = 0.0
    error: BaseException | None = None
    read: int = 0
    closed_in: list[str] = field(default_factory=list)

    def __call__(self) -> Iterator[EventBatch]:
        try:
            for number in range(self.batches):
                time.sleep(self.seconds)
                self.read += 1
                yield batch_of(number)
            if self.error is not None:
                raise self.error
        finally:
            self.closed_in.append(threading.current_thread().name)


def batch_of(number: int, rows: int = 100) -> EventBatch:
    random = np.random.default_rng(number)
    labels = (random.random(rows) < 0.5).astype(np.uint8)
    features = random.normal(size=(rows, len(FEATURES))) + 0.3 * labels[:, None]
    numbers = np.arange(rows, dtype=np.int64) + rows * number
    return EventBatch(numbers, features.astype(np.float32), labels).checked()


def raising(error: BaseException) -> Callable[[Float32Array], Float32Array]:
    def fail(_: Float32Array) -> Float32Array:
        raise error

    return fail


def tallies(
    scan: Iterable[EventBatch],
    *,
    scorers: Mapping[str, Scorer],
    on_progress: Callable[[int], None] = lambda rows: None,
    threads: int | None = None,
) -> dict[str, Tally]:
    def opened(skip: int) -> AbstractContextManager[Iterator[Scored]]:
        return scored(as_parts(scan), scorers, threads=threads)

    return count_windows(opened, models=scorers, on_progress=on_progress).tallies


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "read-ahead"]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert readers() == []


def test_several_models_in_one_scan_equal_separate_scans_and_a_plain_loop() -> None:
    scorers = {"one": Linear(1), "two": Linear(2)}
    together = tallies(Scan()(), scorers=scorers)
    assert together == plain_tallies(Scan()(), scorers)
    for name, scorer in scorers.items():
        assert together[name] == tallies(Scan()(), scorers={name: scorer})[name]


def test_progress_counts_rows_so_far() -> None:
    seen: list[int] = []
    tallies(Scan(3)(), scorers={"one": Linear()}, on_progress=seen.append)
    assert seen == [0, 100, 200, 300]


def test_an_empty_scan_gives_empty_tallies() -> None:
    assert tallies([], scorers={"one": Linear()})["one"].rows == 0


def test_a_plain_list_can_be_scanned() -> None:
    assert tallies([batch_of(0)], scorers={"one": Linear()})["one"].rows == 100


def test_reading_and_scoring_overlap() -> None:
    started = time.monotonic()
    tallies(Scan(10, seconds=0.1)(), scorers={"one": Linear(seconds=0.1)})
    assert time.monotonic() - started < 1.6  # one after the other: 2.0


def test_the_reader_stays_at_most_the_queue_ahead() -> None:
    scan = Scan(50)
    ahead: list[int] = []
    tallies(
        scan(),
        scorers={"one": Linear(seconds=0.005)},
        on_progress=lambda rows: ahead.append(scan.read - rows // 100),
        threads=2,
    )
    assert max(ahead) <= AHEAD + 1 + 2  # and one in the reader's hand, and one in each scorer's


def test_an_error_of_the_scan_is_raised_itself_after_all_batches_before_it() -> None:
    error = BadRow("events.csv", 301, "label", "x", "0 or 1")
    seen: list[int] = []
    with pytest.raises(BadRow) as caught:
        tallies(Scan(3, error=error)(), scorers={"one": Linear()}, on_progress=seen.append)
    assert caught.value is error
    assert seen == [0, 100, 200, 300]


def test_an_error_of_a_scorer_closes_the_scan_midway() -> None:
    scan = Scan(1000)
    with pytest.raises(ZeroDivisionError):
        tallies(scan(), scorers={"one": Failing(raising(ZeroDivisionError()))})
    assert scan.closed_in == ["read-ahead"]
    assert scan.read <= 2 + AHEAD + 2


def test_control_c_ends_the_thread_and_closes_the_scan() -> None:
    scan = Scan(1000)
    with pytest.raises(KeyboardInterrupt):
        tallies(scan(), scorers={"one": Failing(raising(KeyboardInterrupt()))})
    assert scan.closed_in == ["read-ahead"]


def test_an_error_of_the_progress_display_ends_the_thread() -> None:
    scan = Scan(1000)

    def show(rows: int) -> None:
        if rows:
            raise OSError("display")

    with pytest.raises(OSError, match="display"):
        tallies(scan(), scorers={"one": Linear()}, on_progress=show)
    assert scan.closed_in == ["read-ahead"]


def test_scores_that_cannot_be_counted_name_the_model() -> None:
    broken = Failing(lambda features: np.full(len(features), np.nan, np.float32))
    scorers: dict[str, Scorer] = {"good": Linear(), "bad": broken}
    with pytest.raises(EvaluationError, match=r"model bad: .* 100 of 100"):
        tallies(Scan()(), scorers=scorers)


def test_no_model_is_our_error() -> None:
    with pytest.raises(EvaluationError, match="at least one model"):
        tallies(Scan()(), scorers={})


def test_an_exhausted_reader_stays_exhausted() -> None:
    batches = ReadAhead(Scan(2)())
    assert len(list(batches)) == 2
    assert list(batches) == []


def test_closing_an_unused_reader_is_harmless() -> None:
    ReadAhead(Scan()()).close()
