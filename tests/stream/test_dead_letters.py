"""Bad messages are set aside with their reason and position; one too many stops a read."""

from __future__ import annotations

import os
import uuid
from typing import Any

import numpy as np
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from stream_messages import RawMessage, events, same, send

from susystream.errors import BadMessage
from susystream.schema import EventBatch, concatenate
from susystream.stream.codec import BlockCodec, Codec, CsvCodec, Message
from susystream.stream.connection import KafkaConnection
from susystream.stream.consumer import KafkaReader
from susystream.stream.dead_letters import DeadLetters
from susystream.stream.slices import TopicSlice
from susystream.stream.topics import ensure_topic, watermarks

BLOCKS = BlockCodec(10)
GOOD = events(60)


def spoilt(batch: EventBatch) -> EventBatch:
    features = batch.features.copy()
    features[3, 5] = np.nan
    return EventBatch(batch.numbers, features, batch.labels)


def version_9(value: bytes) -> bytes:
    return value[:4] + b"\x09" + value[5:]


BLOCK = next(BLOCKS.encode(GOOD[:10]))
LINE = next(CsvCodec().encode(GOOD[:1]))
NOTHING: Any = None  # a tombstone: a message without any value
FAULTS: list[tuple[Codec, Message, str]] = [
    (BLOCKS, (BLOCK[0], version_9(BLOCK[1])), "version 9"),
    (BLOCKS, (BLOCK[0], BLOCK[1][:9]), "at least"),
    (BLOCKS, (BLOCK[0], BLOCK[1][:-1]), "bytes for 10 events"),
    (BLOCKS, (BLOCK[0], BLOCK[1][:-1] + b"\x07"), "CRC-32C"),
    (BLOCKS, next(BLOCKS.encode(spoilt(GOOD[:10]))), "finite"),
    (BLOCKS, (None, b'{"from": "another program", "of": "another team"}'), "magic"),
    (BLOCKS, (b"another", BLOCK[1]), "key"),
    (CsvCodec(), (LINE[0], LINE[1] + b",1"), "19 numbers"),
    (CsvCodec(), (LINE[0], LINE[1].replace(b",", b",x", 1)), "number in column"),
    (CsvCodec(), (b"x", LINE[1]), "event number"),
    (CsvCodec(), (LINE[0], b""), "19 numbers"),
    (BLOCKS, (b"0", NOTHING), "received 0"),
]


def with_bad(broker: str, codec: Codec, bad: Message) -> tuple[KafkaConnection, TopicSlice]:
    """Six good messages, three of each partition, and the bad one in the midst of each."""
    good = list(codec.encode(GOOD))[:6]
    dealt: list[RawMessage] = [(number % 2, *one) for number, one in enumerate(good[:2])]
    dealt += [(0, *bad), (1, *bad)]
    dealt += [(number % 2, *one) for number, one in enumerate(good[2:])]
    connection = KafkaConnection(broker)
    topic = send(connection, dealt, partitions=2)
    return connection, TopicSlice(topic, ((0, 0, 4), (1, 0, 4)))


def dead(connection: KafkaConnection, topic: str) -> list[Any]:
    """All dead letters of a topic."""
    name = topic + ".dead"
    (end,) = (high for _, high in watermarks(connection, name).values())
    consumer = KafkaConsumer(
        bootstrap_servers=connection.bootstrap_servers, auto_offset_reset="earliest"
    )
    consumer.assign([TopicPartition(name, 0)])
    found: list[Any] = []
    while len(found) < end:
        for records in consumer.poll(timeout_ms=500).values():
            found += records
    consumer.close()
    return found


@pytest.mark.parametrize(("codec", "bad", "reason"), FAULTS)
def test_a_bad_message_is_set_aside_and_all_others_are_read(
    broker: str, codec: Codec, bad: Message, reason: str
) -> None:
    connection, wanted = with_bad(broker, codec, bad)
    with DeadLetters(connection, limit=2) as letters:
        reader = KafkaReader(connection, codec, on_bad=letters.put)
        found = concatenate(list(reader.batches(wanted)))
        again = concatenate(list(reader.batches(wanted)))  # as a second epoch does
    rows = 60 if codec is BLOCKS else 6
    assert same(found, GOOD[:rows])
    assert same(again, found)
    assert letters.count == 2
    records = dead(connection, wanted.topic)
    assert sorted(one.key for one in records) == [
        f"{wanted.topic}/{partition}/1".encode() for partition in (0, 1)
    ]
    for one in records:
        headers = dict(one.headers)
        assert one.value == (bad[1] or b"")
        assert headers.get("key") == bad[0]
        assert reason in headers["reason"].decode()
        assert headers["topic"].decode() == wanted.topic
        assert headers["offset"] == b"1"
        assert one.key.decode().split("/")[1] == headers["partition"].decode()


@pytest.mark.parametrize("limit", [0, 1])
def test_one_more_than_the_limit_is_an_error_and_set_aside_too(broker: str, limit: int) -> None:
    connection, wanted = with_bad(broker, BLOCKS, (None, b"a stranger's"))
    with (
        DeadLetters(connection, limit=limit) as letters,
        pytest.raises(
            BadMessage, match=rf"partition {limit}, offset 1: .*{wanted.topic}\.dead"
        ) as it,
    ):
        list(KafkaReader(connection, BLOCKS, on_bad=letters.put).batches(wanted))
    assert "\n" not in str(it.value)
    assert letters.count == limit + 1
    assert len(dead(connection, wanted.topic)) == limit + 1


def test_without_bad_messages_nothing_is_opened() -> None:
    with DeadLetters(KafkaConnection("127.0.0.1:1")) as letters:
        assert letters.count == 0


def test_what_its_topic_takes_the_topic_of_dead_letters_takes_with_its_headers(broker: str) -> None:
    """Kafka's default is the same limit for both, and a letter is longer by its headers."""
    connection, largest = KafkaConnection(broker), 200_000
    topic = f"large-{uuid.uuid4().hex[:8]}"
    ensure_topic(connection, topic, 1, largest=largest)
    producer = KafkaProducer(**connection.client_settings(), acks="all")
    value = os.urandom(largest - 100)
    producer.send(topic, value=value, partition=0).get(timeout=20)
    producer.close()
    with DeadLetters(connection, limit=1) as letters:
        reader = KafkaReader(connection, BLOCKS, on_bad=letters.put)
        assert list(reader.batches(TopicSlice(topic, ((0, 0, 1),)))) == []
    (letter,) = dead(connection, topic)
    assert letter.value == value


def test_what_the_topic_of_dead_letters_does_not_take_is_cut_and_says_so(broker: str) -> None:
    connection, topic = KafkaConnection(broker), f"cut-{uuid.uuid4().hex[:8]}"
    ensure_topic(connection, topic, 1)
    ensure_topic(connection, f"{topic}.dead", 1, largest=100_000)  # by others
    producer = KafkaProducer(**connection.client_settings(), acks="all")
    producer.send(topic, value=os.urandom(150_000), partition=0).get(timeout=20)
    producer.close()
    with DeadLetters(connection, limit=1) as letters:
        reader = KafkaReader(connection, BLOCKS, on_bad=letters.put)
        assert list(reader.batches(TopicSlice(topic, ((0, 0, 1),)))) == []
    (letter,) = dead(connection, topic)
    assert len(letter.value) < 100_000
    assert dict(letter.headers)["length"] == b"150000"
