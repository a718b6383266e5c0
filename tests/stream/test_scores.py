"""Scores as messages: exact round trips, and damage is noticed."""

from __future__ import annotations

import json
import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaProducer

from susystream.errors import BadMessage, StreamError
from susystream.stream.connection import KafkaConnection
from susystream.stream.scores import Form, Scores, decode_scores, encode_scores, read_scores
from susystream.stream.topics import ensure_topic

MODEL = "m20261125-120000000-abcde"


def scores(count: int, start: int = 0) -> Scores:
    random = np.random.default_rng(count)
    return Scores(MODEL, np.arange(start, start + count), random.random(count, np.float32))


def same(one: Scores, other: Scores) -> bool:
    return (
        one.model_id == other.model_id
        and np.array_equal(one.numbers, other.numbers)
        and np.array_equal(one.scores.view(np.uint32), other.scores.view(np.uint32))
    )


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20),
    st.text(min_size=0, max_size=40),
)
def test_a_block_comes_back_bit_for_bit(numbers: list[int], name: str) -> None:
    values = np.random.default_rng(len(numbers)).random(len(numbers), np.float32)
    sent = Scores(name, np.array(numbers, np.int64), values)
    ((key, value),) = encode_scores(sent)
    assert key == str(numbers[0]).encode()
    assert same(decode_scores(value), sent)


def test_json_is_one_message_an_event_and_comes_back_bit_for_bit() -> None:
    sent = scores(5, start=17)
    messages = list(encode_scores(sent, "json"))
    assert [int(key) for key, _ in messages] == [17, 18, 19, 20, 21]
    assert set(json.loads(messages[0][1])) == {"event_number", "score", "model_id"}
    parts = [decode_scores(value) for _, value in messages]
    joined = Scores(
        parts[0].model_id,
        np.concatenate([part.numbers for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )
    assert same(joined, sent)


@pytest.mark.parametrize("form", ["block", "json"])
def test_no_scores_are_no_message(form: Form) -> None:
    assert list(encode_scores(scores(0), form)) == []


def test_every_changed_byte_of_a_block_is_noticed() -> None:
    ((_, value),) = encode_scores(scores(3))
    for place in range(len(value)):
        damaged = value[:place] + bytes([value[place] ^ 0x40]) + value[place + 1 :]
        with pytest.raises(BadMessage):
            decode_scores(damaged)
    for length in range(len(value)):
        with pytest.raises(BadMessage):
            decode_scores(value[:length])


@pytest.mark.parametrize(
    "value", [b"", b"{}", b"[1]", b'{"event_number": "x", "score": 1, "model_id": ""}', b"\xff"]
)
def test_what_is_neither_form_is_told(value: bytes) -> None:
    with pytest.raises(BadMessage, match="expected scores as a block, or JSON"):
        decode_scores(value)


def test_reading_sees_what_is_committed_and_nothing_of_what_was_given_up(broker: str) -> None:
    connection, topic = KafkaConnection(broker), f"scores-{uuid.uuid4().hex[:8]}"
    ensure_topic(connection, topic, 2)
    producer = KafkaProducer(**connection.client_settings(), transactional_id=topic, acks="all")
    producer.init_transactions()
    for turn, kept in enumerate((True, False, True)):
        producer.begin_transaction()
        for partition in range(2):
            ((key, value),) = encode_scores(scores(10, start=100 * turn + 10 * partition))
            producer.send(topic, key=key, value=value, partition=partition)
        producer.flush()
        producer.commit_transaction() if kept else producer.abort_transaction()
    producer.close()
    numbers = np.concatenate([found.numbers for found in read_scores(connection, topic)])
    assert sorted(numbers.tolist()) == [*range(20), *range(200, 220)]


def test_a_topic_that_is_not_there_is_told(broker: str) -> None:
    with pytest.raises(StreamError, match="expected topic no-scores"):
        list(read_scores(KafkaConnection(broker), "no-scores"))
