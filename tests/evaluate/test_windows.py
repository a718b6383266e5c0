"""Windows change no figure; a killed evaluation goes on where it was; other inputs start anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from evaluate.plain import plain_tallies
from hypothesis import given, settings
from hypothesis import strategies as st

from susystream.data.parts import Part
from susystream.errors import BadRow, EvaluationError
from susystream.evaluate.journal import Journal
from susystream.evaluate.metrics import metrics
from susystream.evaluate.rough import rough_figures
from susystream.evaluate.scored import Scored
from susystream.evaluate.tally import Tally
from susystream.evaluate.windows import (
    Counted,
    OnWindow,
    count_windows,
    scored_here,
)
from susystream.schema import EventBatch, Float32Array, UInt8Array, concatenate
from susystream.stream.slices import ContentDigest

ROWS, WINDOW = 10_500, 1000


class Linear:
    """A deterministic scorer that counts the events it was asked for."""

    def __init__(self, seed: int) -> None:
        self.weights = np.random.default_rng(seed).normal(size=18).astype(np.float32)
        self.asked = 0

    def logits(self, features: Float32Array) -> Float32Array:
        self.asked += len(features)
        logits: Float32Array = np.einsum("ij,j->i", features, self.weights)
        return logits


def all_events(seed: int = 1) -> EventBatch:
    random = np.random.default_rng(seed)
    labels = (random.random(ROWS) < 0.4).astype(np.uint8)
    features = random.normal(size=(ROWS, 18)) + 0.2 * labels[:, None]
    return EventBatch(np.arange(ROWS, dtype=np.int64), features.astype(np.float32), labels)


EVENTS = all_events()


def scan(skip: int, *, size: int = 700, stop: int = ROWS) -> Iterator[EventBatch]:
    for start in range(skip, stop, size):
        yield EVENTS[start : min(start + size, stop)]
    if stop < ROWS:
        raise KeyboardInterrupt


def count_here(
    scan: Callable[[int], Iterable[EventBatch | Part]],
    *,
    scorers: Mapping[str, Linear],
    journal: Journal | None = None,
    on_window: OnWindow = lambda number, figures: None,
    on_progress: Callable[[int], None] = lambda rows: None,
) -> Counted:
    return count_windows(
        scored_here(scan, scorers=scorers, window_rows=WINDOW),
        models=scorers,
        journal=journal,
        window_rows=WINDOW,
        on_window=on_window,
        on_progress=on_progress,
    )


def counted(journal: Journal | None = None, *, seed: int = 1, stop: int = ROWS) -> Counted:
    return count_here(
        lambda skip: scan(skip, stop=stop), scorers={"one": Linear(seed)}, journal=journal
    )


@pytest.mark.parametrize("size", [1, 999, 1000, 1001, 20_000])
def test_windows_and_batches_change_no_count(size: int) -> None:
    stop = 2_500 if size == 1 else ROWS
    events = [EVENTS[i : i + size] for i in range(0, stop, size)]
    found = count_here(lambda skip: events, scorers={"one": Linear(1)})
    seen = concatenate(events)
    assert found.tallies == plain_tallies([seen], {"one": Linear(1)})
    assert found.digest == ContentDigest().update(seen)
    assert found.resumed == 0


def test_each_window_is_told_once_in_order_and_the_short_one_at_the_end() -> None:
    told: list[int] = []
    count_here(
        scan,
        scorers={"one": Linear(1), "two": Linear(2)},
        on_window=lambda number, figures: told.append(number),
    )
    assert told == list(range(11))


@pytest.mark.parametrize("stop", [1, 999, 1000, 1001, 5400, 10_499])
def test_a_run_that_broke_off_goes_on_with_the_same_numbers(tmp_path: Path, stop: int) -> None:
    with pytest.raises(KeyboardInterrupt), Journal(tmp_path / "j", {"a": 1}) as journal:
        counted(journal, stop=stop)
    with Journal(tmp_path / "j", {"a": 1}) as journal:
        found = counted(journal)
    whole = counted()
    assert found.resumed == stop // WINDOW * WINDOW
    assert (found.tallies, found.digest) == (whole.tallies, whole.digest)
    assert metrics(found.tallies["one"]) == metrics(whole.tallies["one"])
    assert not (tmp_path / "j").exists()


def test_finished_windows_are_not_scored_again(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Journal(tmp_path / "j", {}) as journal:
        counted(journal, stop=8000)
    scorer = Linear(1)
    with Journal(tmp_path / "j", {}) as journal:
        count_here(scan, scorers={"one": scorer}, journal=journal)
    assert scorer.asked == ROWS - 8000


def test_another_input_or_model_starts_over(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Journal(tmp_path / "j", {"file": 1}) as journal:
        counted(journal, stop=8000)
    with Journal(tmp_path / "j", {"file": 2}) as journal:
        found = counted(journal, seed=5)
    assert found.resumed == 0
    assert found.tallies == counted(seed=5).tallies


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_a_damaged_window_and_those_after_it_are_counted_again(tmp_path: Path, keep: int) -> None:
    with pytest.raises(KeyboardInterrupt), Journal(tmp_path / "j", {}) as journal:
        counted(journal, stop=8000)
    path = tmp_path / "j" / "00000003.window"
    content = path.read_bytes()
    changed = content[:keep] if keep >= 0 else content[:900] + b"\x00\x01" + content[902:]
    path.write_bytes(changed)
    with Journal(tmp_path / "j", {}) as journal:
        found = counted(journal)
    assert found.resumed == 3000
    assert found.tallies == counted().tallies


def test_two_processes_with_one_evaluation_do_not_disturb_each_other(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", {}) as first, Journal(tmp_path / "j", {}) as second:
        one, two = counted(first), counted(second)
    assert one.tallies == two.tallies == counted().tallies
    assert [path.name for path in tmp_path.iterdir()] == ["j.lock"]


def test_a_window_is_read_back_bit_for_bit(tmp_path: Path) -> None:
    logits = np.array([-0.0, 1e-45, 3.4e38], np.float32)
    digest = ContentDigest(3, 2**64 - 1, 7)
    bad = (BadRow("a.csv", 2, "MT2", "x", "a number"),)
    window = Scored(np.array([0, 1, 1], np.uint8), {"m1": logits}, digest, 4, bad)
    with Journal(tmp_path / "j", {}) as journal:
        assert list(journal.finished(["m1"])) == []
        journal.write(0, window)
        (back,) = journal.finished(["m1"])
    assert back.logits["m1"].tobytes() == logits.tobytes()
    assert (back.labels.tolist(), back.digest, back.rows) == ([0, 1, 1], digest, 4)
    assert [str(one) for one in back.bad] == [str(one) for one in bad]


def small_window(models: Iterable[str], *, short: int = 0) -> Scored:
    random = np.random.default_rng(3)
    labels = (random.random(50) < 0.5).astype(np.uint8)
    logits = {name: random.normal(size=50 - short).astype(np.float32) for name in models}
    return Scored(labels, logits, ContentDigest(50, 1, 2), 50)


def test_a_window_with_any_changed_byte_is_none_and_never_an_error(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", {}) as journal:
        list(journal.finished(["m1"]))
        journal.write(0, small_window(["m1"]))
        path = tmp_path / "j" / "00000000.window"
        content = path.read_bytes()
        for at in range(len(content)):
            path.write_bytes(content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :])
            assert list(journal.finished(["m1"])) == []
        for length in range(0, len(content), 7):
            path.write_bytes(content[:length])
            assert list(journal.finished(["m1"])) == []
        path.write_bytes(content)
        assert len(list(journal.finished(["m1"]))) == 1


@pytest.mark.parametrize(
    "window",
    [
        small_window([]),
        small_window(["m1"]),
        small_window(["m1", "m3"]),
        small_window(["m1", "m2", "m3"]),
        small_window(["m1", "m2"], short=1),
    ],
)
def test_a_window_of_other_models_or_lengths_is_none(tmp_path: Path, window: Scored) -> None:
    with Journal(tmp_path / "j", {}) as journal:
        list(journal.finished(["m1", "m2"]))
        journal.write(0, window)
        assert list(journal.finished(["m1", "m2"])) == []
        journal.write(0, small_window(["m2", "m1"]))
        assert len(list(journal.finished(["m1", "m2"]))) == 1


def test_a_model_whose_scores_were_lost_on_the_way_is_an_error() -> None:
    parts = [small_window(["m1", "m2"]), small_window(["m1"])]
    with pytest.raises(EvaluationError, match="model m2 for all 100 events, received 50"):
        count_windows(lambda skip: nullcontext(iter(parts)), models=["m1", "m2"], window_rows=50)


def test_without_a_model_there_is_nothing_to_count() -> None:
    with pytest.raises(EvaluationError, match="at least one model"):
        count_here(scan, scorers={})


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from([0.0, -0.17, 40.0]),
    st.sampled_from([1e-30, 1e-3, 3e-3, 1e-2, 1.0, 30.0]),
)
def test_rough_figures_are_near_the_exact_ones(seed: int, place: float, scale: float) -> None:
    random = np.random.default_rng(seed)
    labels = (random.random(20_000) < 0.4).astype(np.uint8)
    logits = (place + scale * (random.normal(size=20_000) + labels)).astype(np.float32)
    assert_near(logits, labels)


@pytest.mark.parametrize("case", ["equal", "few", "narrow and wide", "outlier"])
def test_rough_figures_are_near_the_exact_ones_of_strange_scores(case: str) -> None:
    random = np.random.default_rng(8)
    labels = (random.random(20_000) < 0.4).astype(np.uint8)
    normal = random.normal(size=20_000) + labels
    wide = np.where(random.random(20_000) < 0.5, 1000 * random.normal(size=20_000), 0)
    logits = {
        "equal": np.ones(20_000),
        "few": np.round(normal),
        "narrow and wide": np.where(wide, wide, 5 + 1e-3 * normal),
        "outlier": np.where(np.arange(20_000) == 7, 1e30, 1e-3 * normal),
    }[case]
    assert_near(logits.astype(np.float32), labels)


def assert_near(logits: Float32Array, labels: UInt8Array) -> None:
    rough = rough_figures(logits, labels)
    exact = metrics(Tally.empty().update(logits, labels))
    assert rough["accuracy"] == exact["accuracy"]
    assert rough["log_loss"] == pytest.approx(exact["log_loss"], rel=1e-3)
    assert rough["auc"] == pytest.approx(exact["auc"], abs=1e-5)


@pytest.mark.parametrize("labels", [[], [0], [1, 1]])
def test_a_window_of_one_class_has_no_figures(labels: list[int]) -> None:
    assert rough_figures(np.zeros(len(labels), np.float32), np.array(labels, np.uint8)) == {}
