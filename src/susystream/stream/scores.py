"""Scores as messages, and back.

In: event numbers, scores and a model's id. Out: messages, in one of two forms; and what a topic
holds of them, each committed message once.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

import numpy as np
from crc32c import crc32c
from kafka import KafkaConsumer, TopicPartition

from susystream.errors import BadMessage, StreamStalled
from susystream.schema import Float32Array, Int64Array
from susystream.stream.connection import KafkaConnection, broker_errors
from susystream.stream.topics import watermarks_of

Form = Literal["block", "json"]
_HEADER = struct.Struct("<4sBBHII")  # magic, version, 0, length of the id, events, crc
_MAGIC = b"SCOR"
_VERSION = 1
_POLL_MS = 200


@dataclass(frozen=True, slots=True)
class Scores:
    """What one model says of some events.

    Attributes:
        model_id: The model.
        numbers: Of the events, int64, shape (n,).
        scores: How probable each is signal, in [0, 1]; float32, shape (n,).
    """

    model_id: str
    numbers: Int64Array
    scores: Float32Array

    def __len__(self) -> int:
        return len(self.numbers)


def encode_scores(found: Scores, form: Form = "block") -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of the messages: one in all (`block`), or one an event (`json`).

    A block is a header, the model's id (UTF-8), int64 event numbers and float32 scores, all
    little-endian; the CRC-32C covers all but itself. The key is the first event's number.
    """
    if form == "json":
        for number, score in zip(found.numbers.tolist(), found.scores.tolist(), strict=True):
            told = {"event_number": number, "score": score, "model_id": found.model_id}
            yield str(number).encode(), json.dumps(told).encode()
    elif len(found):
        name = found.model_id.encode()
        body = name + found.numbers.astype("<i8").tobytes() + found.scores.astype("<f4").tobytes()
        head = (_MAGIC, _VERSION, 0, len(name), len(found))
        crc = crc32c(body, crc32c(_HEADER.pack(*head, 0)))
        yield str(found.numbers[0]).encode(), _HEADER.pack(*head, crc) + body


def decode_scores(value: bytes) -> Scores:
    """The scores of one message of either form.

    Raises:
        BadMessage: It is of neither, or damaged.
    """
    return _of_block(value) if value[:4] == _MAGIC else _of_json(value)


def _of_block(value: bytes) -> Scores:
    if len(value) < _HEADER.size:
        raise BadMessage(f"expected scores of at least {_HEADER.size} bytes, received {len(value)}")
    magic, version, flags, name, count, crc = _HEADER.unpack_from(value)
    length = _HEADER.size + name + 12 * count
    if (version, flags) != (_VERSION, 0) or len(value) != length:
        raise BadMessage(
            f"expected scores of version {_VERSION} in {length} bytes, received version {version}, "
            f"flags {flags}, {len(value)} bytes"
        )
    body = memoryview(value)[_HEADER.size :]
    if crc32c(body, crc32c(_HEADER.pack(magic, version, flags, name, count, 0))) != crc:
        raise BadMessage(f"expected CRC-32C {crc:08x} of {count} scores; the message is damaged")
    numbers = np.frombuffer(body[name : name + 8 * count], "<i8").astype(np.int64, copy=False)
    scores = np.frombuffer(body[name + 8 * count :], "<f4").astype(np.float32, copy=False)
    return Scores(str(body[:name], "utf-8"), numbers, scores)


def _of_json(value: bytes) -> Scores:
    try:
        told = json.loads(value)
        numbers = np.array([told["event_number"]], np.int64)
        return Scores(str(told["model_id"]), numbers, np.array([told["score"]], np.float32))
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise BadMessage(
            f"expected scores as a block, or JSON of event_number, score and model_id, received "
            f"{value[:80]!r}"
        ) from error


def read_scores(
    connection: KafkaConnection, topic: str, *, stall_seconds: float = 20.0
) -> Iterator[Scores]:
    """All that is committed on a topic now, partition by partition as it comes.

    Raises:
        BrokerUnavailable: Nothing answers at the address.
        StreamError: There is no such topic.
        StreamStalled: No message came for `stall_seconds`, and the end was not reached.
        BadMessage: A message holds no scores.
    """
    with (
        broker_errors(connection),
        closing(
            KafkaConsumer(
                **connection.client_settings(),
                group_id=None,
                allow_auto_create_topics=False,
                enable_auto_commit=False,
                auto_offset_reset="none",
                isolation_level="read_committed",
                max_partition_fetch_bytes=8_388_608,
                max_poll_records=5000,
            )
        ) as consumer,
    ):
        # under read_committed the end is before the first transaction that is still open
        held = watermarks_of(consumer, topic)
        consumer.assign([TopicPartition(topic, partition) for partition in held])
        for partition, (low, _) in held.items():
            consumer.seek(TopicPartition(topic, partition), low)
        yield from _until(
            consumer, topic, {p: high for p, (_, high) in held.items()}, stall_seconds
        )


def _until(
    consumer: KafkaConsumer, topic: str, ends: dict[int, int], stall_seconds: float
) -> Iterator[Scores]:
    heard = time.monotonic()
    where = dict.fromkeys(ends, -1)
    while any(where[partition] < end for partition, end in ends.items()):
        arrived = consumer.poll(timeout_ms=_POLL_MS)
        for records in arrived.values():
            for record in records:
                if record.offset < ends[record.partition]:
                    yield decode_scores(record.value or b"")
        for partition in ends:
            # past the markers of transactions too, which are no records
            found = consumer.position(TopicPartition(topic, partition), timeout_ms=_POLL_MS)
            moved = found is not None and found > where[partition]
            where[partition] = found if moved else where[partition]
            heard = time.monotonic() if moved else heard
        if time.monotonic() - heard > stall_seconds:
            raise StreamStalled(
                f"expected topic {topic} up to {ends}, received none for {stall_seconds:g} s at "
                f"{where}; check the broker"
            )
