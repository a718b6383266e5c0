"""Merging partitions: in order, complete, bounded."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from susystream.errors import BadMessage, SliceTruncated
from susystream.schema import EventBatch, concatenate
from susystream.stream.codec import BlockCodec, Message
from susystream.stream.ordering import BATCH_ROWS, Ordered, check_held, decoded
from susystream.stream.slices import TopicSlice

RANGES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 12)), min_size=1, max_size=4)


def events(rows: int) -> EventBatch:
    features = np.arange(rows * 18, dtype=np.float32).reshape(rows, 18)
    return EventBatch(np.arange(rows), features, np.zeros(rows, np.uint8))


@given(ranges=RANGES, seed=st.integers(0, 99))
def test_any_arrival_gives_the_order_of_the_slice(ranges: list[tuple[int, int]], seed: int) -> None:
    """The slow twin sorts everything after all has arrived."""
    wanted = TopicSlice("t", tuple((p, start, start + n) for p, (start, n) in enumerate(ranges)))
    arrivals = [p for p, start, end in wanted.ranges for _ in range(start, end)]
    random.Random(seed).shuffle(arrivals)
    ordered, taken = Ordered(wanted), list[Message]()
    for partition in arrivals:
        offset = ordered.next_offset(partition)
        ordered.push(partition, offset, (b"", f"{partition}:{offset}".encode()))
        taken += ordered.take(500)
    while piece := ordered.take():
        taken += piece
    assert [value.decode() for _, value in taken] == [f"{p}:{o}" for p, o in wanted.order()]
    assert ordered.done


def test_a_gap_or_a_repetition_is_refused_and_what_follows_the_slice_ignored() -> None:
    ordered = Ordered(TopicSlice("t", ((0, 5, 7),)))
    with pytest.raises(SliceTruncated, match="expected offset 5 of t, partition 0, received 6"):
        ordered.push(0, 6, (b"", b""))
    ordered.push(0, 5, (b"", b""))
    with pytest.raises(SliceTruncated):
        ordered.push(0, 5, (b"", b""))
    ordered.push(0, 6, (b"", b""))
    ordered.push(0, 7, (b"", b""))
    assert len(ordered.take()) == 2


def test_a_partition_that_ran_ahead_rests_until_half_is_taken() -> None:
    ordered = Ordered(TopicSlice("t", ((0, 0, 100), (1, 0, 100))))
    for offset in range(10):
        ordered.push(1, offset, (b"", bytes(800)))
    assert ordered.lagging(5_000) == {0}
    for offset in range(4):
        ordered.push(0, offset, (b"", bytes(800)))
    ordered.take()
    assert ordered.waiting_bytes(1) == 6_000
    assert ordered.lagging(5_000) == {0}
    for offset in range(4, 8):
        ordered.push(0, offset, (b"", bytes(800)))
    ordered.take()
    assert ordered.lagging(5_000) == {0, 1}


@pytest.mark.parametrize("piece", [1, 7, 100])
def test_batches_depend_on_the_content_not_on_the_arrival(piece: int) -> None:
    batch = events(2 * BATCH_ROWS + 5)
    messages: list[Message] = list(BlockCodec(1000).encode(batch))
    wanted = TopicSlice("t", ((0, 0, len(messages)),))
    pieces = [messages[i : i + piece] for i in range(0, len(messages), piece)]
    batches = list(decoded(pieces, codec=BlockCodec(), wanted=wanted))
    assert [len(part) for part in batches] == [BATCH_ROWS, BATCH_ROWS, 5]
    assert (concatenate(batches).features == batch.features).all()


def test_a_damaged_message_is_named_by_partition_and_offset() -> None:
    messages: list[Message] = list(BlockCodec(10).encode(events(60)))
    messages[3] = (messages[3][0], messages[3][1][:-1])
    wanted = TopicSlice("t", ((0, 5, 8), (2, 1, 4)))
    pieces = [messages[:2], messages[2:]]
    with pytest.raises(BadMessage, match="topic t, partition 2, offset 2: expected"):
        list(decoded(pieces, codec=BlockCodec(), wanted=wanted))


def test_fewer_messages_than_the_slice_spans_are_an_error() -> None:
    messages: list[Message] = list(BlockCodec(10).encode(events(60)))
    with pytest.raises(SliceTruncated, match="expected 7 messages"):
        list(decoded([messages], codec=BlockCodec(), wanted=TopicSlice("t", ((0, 0, 7),))))


@pytest.mark.parametrize("held", [{0: (1, 9)}, {0: (0, 8)}, {}])
def test_a_log_that_lost_part_of_the_slice_is_refused(held: dict[int, tuple[int, int]]) -> None:
    with pytest.raises(SliceTruncated, match=r"expected offsets \[0, 9\)"):
        check_held(TopicSlice("t", ((0, 0, 9),)), held)


@pytest.mark.parametrize(
    ("span", "words"),
    [
        ((0, 0, 7), r"the log holds \[2, 6\): retention removed the first; publish again"),
        ((0, 2, 7), r"the log holds \[2, 6\); correct the offsets, or publish again if the topic"),
        ((5, 0, 1), r"the topic has partitions 0, 1 alone; correct the slice"),
    ],
)
def test_what_the_log_does_not_hold_is_told_with_its_cause(
    span: tuple[int, int, int], words: str
) -> None:
    with pytest.raises(SliceTruncated, match=words):
        check_held(TopicSlice("t", (span,)), {0: (2, 6), 1: (0, 3)})
