"""What the tests of the stream share: events, topics of their own, raw messages."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator

import numpy as np
from kafka import KafkaProducer

from susystream.schema import EventBatch
from susystream.stream.codec import Codec
from susystream.stream.connection import KafkaConnection
from susystream.stream.producer import Publication, publish
from susystream.stream.topics import ensure_topic

RawMessage = tuple[int, bytes | None, bytes]


def events(rows: int, *, seed: int = 0, start: int = 0) -> EventBatch:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, 18)).astype(np.float32)
    labels = rng.integers(0, 2, rows).astype(np.uint8)
    return EventBatch(np.arange(start, start + rows, dtype=np.int64), features, labels)


def new_topic() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"


def pieces(batch: EventBatch, rows: int = 4096) -> Iterator[EventBatch]:
    yield from (batch[i : i + rows] for i in range(0, len(batch), rows))


def published(
    connection: KafkaConnection,
    batch: EventBatch,
    *,
    codec: Codec,
    partitions: int = 2,
    topic: str | None = None,
) -> Publication:
    return publish(
        pieces(batch),
        connection=connection,
        topic=topic or new_topic(),
        codec=codec,
        partitions=partitions,
        progress=lambda _: None,
    )


def send(
    connection: KafkaConnection, messages: Iterable[RawMessage], *, partitions: int = 1
) -> str:
    """Messages just so, on a new topic."""
    topic = new_topic()
    ensure_topic(connection, topic, partitions)
    append(connection, topic, messages)
    return topic


def append(connection: KafkaConnection, topic: str, messages: Iterable[RawMessage]) -> None:
    producer = KafkaProducer(**connection.client_settings(), linger_ms=5)
    for partition, key, value in messages:
        producer.send(topic, key=key, value=value, partition=partition)
    producer.flush(30)
    producer.close(timeout=5)


def same(left: EventBatch, right: EventBatch) -> bool:
    return (
        left.numbers.tobytes() == right.numbers.tobytes()
        and left.features.tobytes() == right.features.tobytes()
        and left.labels.tobytes() == right.labels.tobytes()
    )
