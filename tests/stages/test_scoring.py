"""What becomes of the messages of one transaction, by a real scorer and no broker."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest

from susystream.model.openvino_scorer import OpenVinoScorer
from susystream.model.plan import Dense
from susystream.schema import EventBatch
from susystream.stages.live_model import Chosen
from susystream.stages.scoring import Batch, Scoring
from susystream.stream.codec import BlockCodec, Codec, CsvCodec
from susystream.stream.exchange import Arrived
from susystream.stream.ordering import Place
from susystream.stream.scores import decode_scores

SCORING = Scoring("t.scores", partitions=2, letter_bytes=1_000_000)
TOO_LARGE = 1e30  # 18 of these, a thousand-million-fold, are no float32


@pytest.fixture(scope="module")
def model() -> Chosen:
    """Adds an event's features up, a thousand-million-fold."""
    kernel = np.full((18, 1), 1e9, np.float32)
    scorer = OpenVinoScorer((Dense(kernel, None),), tuple(range(18)), threads=1, block_rows=16)
    return Chosen("m-1", scorer)


def events(numbers: Sequence[int], value: float = 0.0) -> EventBatch:
    count = len(numbers)
    features = np.full((count, 18), value, np.float32)
    return EventBatch(np.array(numbers, np.int64), features, np.zeros(count, np.uint8))


def arrived(
    batch: EventBatch, codec: Codec, *, partition: int = 0, start: int = 0
) -> list[Arrived]:
    return [
        Arrived(Place("t", partition, start + at), message, 0)
        for at, message in enumerate(codec.encode(batch))
    ]


def bad(offset: int, *, partition: int = 0, tombstone: bool = False) -> Arrived:
    value = b"" if tombstone else b"nothing"
    return Arrived(Place("t", partition, offset), (None, value), 0, tombstone)


def numbers_of(batch: Batch) -> list[int]:
    values = [one.value for one in batch.outgoing if one.topic == "t.scores"]
    return [int(number) for value in values for number in decode_scores(value or b"").numbers]


def letters_of(batch: Batch) -> list[str]:
    return [dict(one.headers)["reason"].decode() for one in batch.outgoing if one.topic == "t.dead"]


@pytest.mark.parametrize("codec", [BlockCodec(3), CsvCodec()], ids=["block", "csv"])
def test_every_event_of_every_partition_is_scored_in_its_order(codec: Codec, model: Chosen) -> None:
    read = [
        *arrived(events(range(10)), codec, partition=0),
        *arrived(events(range(50, 57)), codec, partition=1),
    ]
    found = SCORING.batch(read, model, bad_left=0)
    assert numbers_of(found) == [*range(10), *range(50, 57)]
    assert {one.partition for one in found.outgoing} == {0, 1}
    assert (found.read, sum(found.events), found.bad) == (read, 17, 0)


def test_a_message_of_scores_holds_no_more_than_a_broker_takes(model: Chosen) -> None:
    found = SCORING.batch(arrived(events(range(50_000)), BlockCodec(5000)), model, bad_left=0)
    assert numbers_of(found) == list(range(50_000))
    assert max(len(one.value or b"") for one in found.outgoing) < 500_000


@pytest.mark.parametrize("codec", [BlockCodec(1), CsvCodec()], ids=["block", "csv"])
def test_an_event_that_overflows_in_the_network_is_a_bad_message(
    codec: Codec, model: Chosen
) -> None:
    read = [
        *arrived(events([1, 2]), codec),
        *arrived(events([3], TOO_LARGE), codec, start=2),
        *arrived(events([4]), codec, start=3),
    ]
    found = SCORING.batch(read, model, bad_left=1)
    assert numbers_of(found) == [1, 2, 4]
    assert found.events == [1, 1, 0, 1]
    (reason,) = letters_of(found)
    assert "offset 2: expected an event with a finite logit of model m-1, received inf" in reason


def test_the_other_events_of_a_bad_block_are_set_aside_with_it(model: Chosen) -> None:
    block = events([1, 2, 3])
    block.features[1] = TOO_LARGE
    found = SCORING.batch(arrived(block, BlockCodec(3)), model, bad_left=1)
    assert numbers_of(found) == []
    assert (found.bad, found.events) == (1, [0])


def test_a_tombstone_is_set_aside_as_it_was(model: Chosen) -> None:
    found = SCORING.batch([bad(0, tombstone=True)], model, bad_left=1)
    (letter,) = found.outgoing
    assert letter.value is None
    assert "a message without a value" in letters_of(found)[0]


@pytest.mark.parametrize("left", [0, 1, 2, 3])
def test_nothing_behind_one_bad_message_too_many_is_done_with(left: int, model: Chosen) -> None:
    codec = BlockCodec(1)
    read = [
        *arrived(events([1]), codec),
        bad(1),
        *arrived(events([2]), codec, start=2),
        bad(3),
        bad(0, partition=1),
        *arrived(events([9]), codec, partition=1, start=1),
    ]
    found = SCORING.batch(read, model, bad_left=left)
    expected = {0: ([1], 2), 1: ([1, 2], 4), 2: ([1, 2], 5), 3: ([1, 2, 9], 6)}[left]
    assert (numbers_of(found), len(found.read)) == expected
    assert found.read == read[: len(found.read)]
    assert found.bad == len(letters_of(found)) == min(left + 1, 3)
    assert (found.refused is None) == (left == 3)


def test_lines_and_blocks_may_stand_side_by_side(model: Chosen) -> None:
    read = [
        *arrived(events([1, 2]), BlockCodec(2)),
        *arrived(events([3, 4]), CsvCodec(), start=1),
        bad(3),
        *arrived(events([5]), BlockCodec(1), start=4),
    ]
    found = SCORING.batch(read, model, bad_left=1)
    assert numbers_of(found) == [1, 2, 3, 4, 5]
    assert found.events == [2, 1, 1, 0, 1]


def test_a_bad_line_among_many_is_found_and_costs_little(model: Chosen) -> None:
    read = arrived(events(range(20_000)), CsvCodec())
    read[7] = bad(7)
    read[19_000] = bad(19_000, tombstone=True)
    started = time.monotonic()
    found = SCORING.batch(read, model, bad_left=2)
    seconds = time.monotonic() - started
    assert numbers_of(found) == [n for n in range(20_000) if n not in (7, 19_000)]
    assert [found.events[at] for at in (6, 7, 8, 19_000)] == [1, 0, 1, 0]
    assert found.bad == 2
    assert seconds < 5.0  # line by line it is half a minute


def test_a_letter_is_no_larger_than_its_topic_takes(model: Chosen) -> None:
    small = Scoring("t.scores", partitions=2, letter_bytes=100_000)
    read = [Arrived(Place("t", 0, 0), (b"k" * 50_000, b"x" * 99_000), 0)]
    (letter,) = small.batch(read, model, bad_left=1).outgoing
    headers = dict(letter.headers)
    assert headers["length"] == b"99000"
    assert len(letter.value or b"") + sum(len(one) for one in headers.values()) < 100_000
