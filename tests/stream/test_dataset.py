from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import config

from susystream.errors import BadMessage, DigestMismatch, SettingsError, SliceTruncated
from susystream.schema import EventBatch
from susystream.stream.dataset import SliceDataset
from susystream.stream.slices import ContentDigest

ROWS = 1003


def events(rows: int = ROWS, seed: int = 0) -> EventBatch:
    random = np.random.default_rng(seed)
    features = random.normal(size=(rows, 18)).astype(np.float32)
    return EventBatch(np.arange(rows), features, random.integers(0, 2, rows).astype(np.uint8))


class Reader:
    """Reads a batch in pieces; counts how often it was opened and closed."""

    def __init__(self, whole: EventBatch, piece: int = 100, fail_at: int | None = None) -> None:
        self.whole, self.piece, self.fail_at = whole, piece, fail_at
        self.opened = self.closed = 0

    def __call__(self) -> Iterator[EventBatch]:
        self.opened += 1
        try:
            for start in range(0, len(self.whole), self.piece):
                if self.fail_at is not None and start >= self.fail_at:
                    raise BadMessage("expected a message, received noise; publish again")
                yield self.whole[start : start + self.piece]
        finally:
            self.closed += 1


def dataset(reader: Reader, **changes: Any) -> SliceDataset:
    settings: dict[str, Any] = {
        "rows": ROWS,
        "expected": ContentDigest().update(events()),
        "features": (3, 0, 17),
        "batch_size": 64,
        "shuffle_window": 250,
        "seed": 7,
    }
    return SliceDataset(reader, **(settings | changes))


def slow_epoch(
    whole: EventBatch, *, window: int, seed: int, epoch: int
) -> list[tuple[list[float], float]]:
    """The obvious twin: one row after another."""
    rows = []
    for number, start in enumerate(range(0, len(whole), window)):
        part = whole[start : start + window]
        for i in np.random.default_rng([seed, epoch, number]).permutation(len(part)):
            chosen = [float(part.features[i, column]) for column in (3, 0, 17)]
            rows.append((chosen, float(part.labels[i])))
    return rows


def read(data: SliceDataset, epoch: int = 0) -> list[tuple[Any, Any]]:
    return [(x.numpy(), y.numpy()) for x, y in data.dataset(epoch)]


@pytest.mark.parametrize("piece", [1, 99, 250, 5000])
@pytest.mark.parametrize("epoch", [0, 3])
def test_an_epoch_is_that_of_the_slow_twin_whatever_the_readers_batches(
    piece: int, epoch: int
) -> None:
    batches = read(dataset(Reader(events(), piece)), epoch)
    assert [len(x) for x, _ in batches] == [64] * 15 + [43]
    twin = slow_epoch(events(), window=250, seed=7, epoch=epoch)
    assert np.concatenate([x for x, _ in batches]).tolist() == [x for x, _ in twin]
    assert np.concatenate([y for _, y in batches])[:, 0].tolist() == [y for _, y in twin]


def test_without_a_window_the_order_is_kept() -> None:
    batches = read(dataset(Reader(events(), 77), shuffle_window=0))
    assert (np.concatenate([x for x, _ in batches]) == events().features[:, [3, 0, 17]]).all()


def test_every_epoch_reads_anew_in_another_order_with_the_same_rows() -> None:
    reader = Reader(events())
    first, second = (
        np.concatenate([x for x, _ in read(dataset(reader), epoch)]) for epoch in (0, 1)
    )
    assert reader.opened == reader.closed == 2
    assert (first != second).any()
    assert sorted(first.tolist()) == sorted(second.tolist())


@pytest.mark.parametrize("rows", [ROWS - 1, ROWS + 1, 2 * ROWS])
def test_a_wrong_count_is_an_error(rows: int) -> None:
    reader = Reader(events(rows))
    data = dataset(reader, expected=None)
    with pytest.raises(tf.errors.OpError):
        read(data)
    assert isinstance(data.error, SliceTruncated)
    assert reader.closed == 1


def test_one_changed_feature_is_an_error() -> None:
    whole = events()
    whole.features[500, 9] += 1  # not even among the chosen columns
    data = dataset(Reader(whole))
    with pytest.raises(tf.errors.OpError):
        read(data)
    assert isinstance(data.error, DigestMismatch)


def test_the_readers_own_error_is_kept() -> None:
    data = dataset(Reader(events(), fail_at=500))
    with pytest.raises(tf.errors.OpError):
        read(data)
    assert isinstance(data.error, BadMessage)


def test_an_epoch_left_early_leaves_no_reader_open() -> None:
    reader = Reader(events(), piece=10)
    data = dataset(reader, shuffle_window=20)
    iterator = iter(data.dataset())
    next(iterator)
    data.close()
    del iterator
    assert reader.opened == reader.closed == 1
    assert read(data)[0][0].shape == (64, 3)  # and it can be read again


@pytest.mark.parametrize("wrong", [{"rows": 0}, {"batch_size": 0}, {"shuffle_window": -1}])
def test_impossible_sizes_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match="expected"):
        dataset(Reader(events()), **wrong)


@pytest.fixture(params=[True, False], ids=["deterministic", "free"])
def _operations(request: pytest.FixtureRequest) -> Iterator[None]:
    """As training sets them: deterministic ones drop the prefetching of `tf.data`."""
    if request.param:
        tf.config.experimental.enable_op_determinism()
    yield
    config.disable_op_determinism()


@pytest.mark.usefixtures("_operations")
def test_while_a_window_is_trained_on_the_next_is_read_and_no_more() -> None:
    """The consumer holds its first batch until the reader is at the end of the next window."""
    window, piece, batch, rows = 250, 50, 10, 20_000
    counts = [0]

    def batches() -> Iterator[EventBatch]:
        for one in Reader(events(rows), piece)():
            counts[0] += len(one)
            yield one

    data = SliceDataset(
        batches,
        rows=rows,
        expected=None,
        features=(0,),
        batch_size=batch,
        shuffle_window=window,
        seed=1,
    )
    iterator = iter(data.dataset())
    next(iterator)
    ends = time.monotonic() + 60
    while counts[0] < 2 * window and time.monotonic() < ends:
        time.sleep(0.01)
    assert counts[0] >= 2 * window
    for taken in range(1, 2 * window // batch):
        assert counts[0] <= taken * batch + 3 * window + piece
        next(iterator)
    time.sleep(0.3)  # what runs ahead without bounds has come far by now
    assert counts[0] <= 2 * window + 3 * window + piece
    data.close()
    del iterator
