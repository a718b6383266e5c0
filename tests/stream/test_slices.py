"""Slices and the digest that proves their content."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from susystream.errors import DocumentInvalid, SettingsError
from susystream.schema import FEATURES, EventBatch, concatenate
from susystream.stream.slices import ContentDigest, TopicSlice

MASK = (1 << 64) - 1


def events(rows: int, *, seed: int = 0, start: int = 0) -> EventBatch:
    rng = np.random.default_rng(seed)
    return EventBatch(
        np.arange(start, start + rows, dtype=np.int64),
        rng.normal(size=(rows, len(FEATURES))).astype(np.float32),
        rng.integers(0, 2, rows).astype(np.uint8),
    )


def mix(x: int) -> int:
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def slow_digest(batch: EventBatch) -> ContentDigest:
    """The same arithmetic in Python integers, event by event, word by word."""
    constants = [mix((i * 0x9E3779B97F4A7C15) & MASK) for i in range(1, len(FEATURES) + 5)]
    multipliers, salts = [c | 1 for c in constants[:-2]], constants[-2:]
    sums = [0, 0]
    for number, row, label in zip(batch.numbers, batch.features, batch.labels, strict=True):
        words = [*(int(value.view(np.uint32)) for value in row), int(label), int(number) & MASK]
        total = sum(word * m for word, m in zip(words, multipliers, strict=True)) & MASK
        sums = [(old + mix(total ^ salt)) & MASK for old, salt in zip(sums, salts, strict=True)]
    return ContentDigest(len(batch), sums[0], sums[1])


@given(rows=st.integers(0, 20), seed=st.integers(0, 9), start=st.integers(-(2**62), 2**62))
def test_digest_equals_its_slow_twin(rows: int, seed: int, start: int) -> None:
    batch = events(rows, seed=seed, start=start)
    assert ContentDigest().update(batch) == slow_digest(batch)


@given(order=st.permutations(range(12)), cut=st.integers(0, 12))
def test_digest_does_not_depend_on_order_or_batches(order: list[int], cut: int) -> None:
    batch = events(12)
    rows = np.array(order)
    mixed = EventBatch(batch.numbers[rows], batch.features[rows], batch.labels[rows])
    parts = ContentDigest().update(mixed[:cut]).merge(ContentDigest().update(mixed[cut:]))
    assert parts == ContentDigest().update(batch)


def test_digest_sees_loss_repetition_and_every_changed_word() -> None:
    batch = events(50)
    whole = ContentDigest().update(batch)
    seen = {str(whole)}
    seen.add(str(ContentDigest().update(batch[1:])))
    seen.add(str(ContentDigest().update(concatenate([batch, batch[:1]]))))
    # one event lost and another repeated: the count alone would not tell
    seen.add(str(ContentDigest().update(concatenate([batch[1:], batch[1:2]]))))
    for column in range(len(FEATURES)):
        features = batch.features.copy()
        features[7, column] = np.nextafter(features[7, column], np.float32(9))
        seen.add(str(ContentDigest().update(EventBatch(batch.numbers, features, batch.labels))))
    labels = batch.labels.copy()
    labels[7] ^= 1
    seen.add(str(ContentDigest().update(EventBatch(batch.numbers, batch.features, labels))))
    swapped = batch.labels[::-1].copy()
    seen.add(str(ContentDigest().update(EventBatch(batch.numbers, batch.features, swapped))))
    assert len(seen) == 6 + len(FEATURES)


@st.composite
def slices(draw: st.DrawFn) -> TopicSlice:
    partitions = draw(st.lists(st.integers(0, 9), unique=True, max_size=4))
    ranges = []
    for partition in sorted(partitions):
        start = draw(st.integers(0, 50))
        ranges.append((partition, start, start + draw(st.integers(0, 12))))
    return TopicSlice("topic", tuple(ranges))


@given(slices())
def test_slice_round_trips_through_json(wanted: TopicSlice) -> None:
    assert TopicSlice.from_json(wanted.to_json()) == wanted


@given(slices())
def test_order_names_every_offset_once_and_ascending_in_each_partition(wanted: TopicSlice) -> None:
    order = list(wanted.order())
    expected = [(p, offset) for p, start, end in wanted.ranges for offset in range(start, end)]
    assert sorted(order) == expected
    assert len(order) == wanted.messages
    for partition, _, _ in wanted.ranges:
        offsets = [offset for p, offset in order if p == partition]
        assert offsets == sorted(offsets)


@given(slices(), st.floats(0, 0.99))
def test_split_loses_no_message(wanted: TopicSlice, fraction: float) -> None:
    head, tail = wanted.split(fraction)
    assert sorted([*head.order(), *tail.order()]) == sorted(wanted.order())


@pytest.mark.parametrize("value", [{}, {"topic": "t", "partitions": {"0": [1]}}, {"topic": "t"}])
def test_a_foreign_document_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(DocumentInvalid, match="expected a slice"):
        TopicSlice.from_json(value)


@pytest.mark.parametrize("ranges", [((0, 2, 1),), ((1, 0, 1), (0, 0, 1)), ((0, -1, 1),)])
def test_impossible_ranges_are_refused(ranges: tuple[tuple[int, int, int], ...]) -> None:
    with pytest.raises(SettingsError):
        TopicSlice("t", ranges)


@pytest.mark.parametrize(
    ("topic", "partition", "start", "end", "expected"),
    [
        ("susy", 0, 9, 12, True),
        ("susy", 0, 6, 7, True),
        ("susy", 2, 0, 99, True),
        ("susy", 0, 10, 12, False),
        ("susy", 0, 0, 5, False),
        ("susy", 1, 5, 10, False),
        ("susy", 0, 7, 7, False),
        ("other", 0, 5, 10, False),
    ],
)
def test_slices_overlap_where_they_share_an_offset(
    topic: str, partition: int, start: int, end: int, expected: bool
) -> None:
    mine = TopicSlice("susy", ((0, 5, 10), (2, 0, 1)))
    other = TopicSlice(topic, ((partition, start, end),))
    shared = {(mine.topic, *place) for place in mine.order()} & {
        (other.topic, *place) for place in other.order()
    }
    assert mine.overlaps(other) == other.overlaps(mine) == bool(shared) == expected
