"""Publishing events: each exactly once, at offsets that are recorded.

In: event batches. Out: messages on a topic, and a `Publication` that says exactly where.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from susystream.collector import collecting_new_only
from susystream.errors import PublishError, SettingsError, SliceTruncated
from susystream.schema import EventBatch
from susystream.stream.codec import Codec
from susystream.stream.connection import LARGEST_REQUEST, KafkaConnection, broker_errors
from susystream.stream.deliveries import Deliveries
from susystream.stream.ordering import check_held
from susystream.stream.slices import ContentDigest, TopicSlice
from susystream.stream.topics import ensure_topic, watermarks

COMPRESSIONS = ("none", "gzip", "lz4", "zstd")
_OUTSTANDING = 20_000  # messages sent and not yet acknowledged
_OUTSTANDING_BYTES = 67_108_864  # kafka-python 3 itself has no bound
# the client itself gives a message up first and says why; later than that, it hangs
_GRACE_SECONDS = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Publication:
    """What was published.

    Attributes:
        slice: The exact offsets.
        rows: Events.
        digest: Of their content.
        seconds: Wall time.
        bytes: Of keys and values.
        note: What will remove the messages later, in one line; empty if nothing will.
        held: Messages that a publication which was killed had left, and that were not sent again.
    """

    slice: TopicSlice
    rows: int
    digest: ContentDigest
    seconds: float
    bytes: int
    note: str = ""
    held: int = 0


def publish(
    batches: Iterable[EventBatch],
    *,
    connection: KafkaConnection,
    topic: str,
    codec: Codec,
    partitions: int,
    progress: Callable[[int], None],
    compression: str = "none",
    held: TopicSlice | None = None,
    on_begin: Callable[[TopicSlice], None] = lambda begin: None,
) -> Publication:
    """Writes the events, messages dealt to the partitions in turn, and proves their offsets.

    The producer is idempotent: a retry inside the client can neither repeat nor reorder.

    Args:
        batches: All events, whatever the log holds of them.
        connection: The broker.
        topic: Made if there is none.
        codec: The form of the messages.
        partitions: Of the topic.
        progress: Takes how many events are done.
        compression: Of the log, one of `COMPRESSIONS`; messages and offsets are the same in each.
        held: What the log holds of just these events, as `susystream.stream.resuming` finds it;
            it is not sent again.
        on_begin: Called before the first message with the empty slice at which the others begin.

    Raises:
        BrokerUnavailable: Nothing answers at the address.
        PublishError: A message was not acknowledged, or others wrote in between.
        SettingsError: There is no such compression.
    """
    started = time.monotonic()
    note = ensure_topic(connection, topic, partitions)
    if note:
        _log.warning(note)
    if held is None:
        held = end_of(topic, watermarks(connection, topic))
        on_begin(held)
    with broker_errors(connection):
        producer = _producer(connection, compression)
    silence = _delivery_seconds(connection) + _GRACE_SECONDS
    sender = _Sender(producer, codec, held, silence)
    digest, patience = ContentDigest(), 0.0  # after a failure there is nothing to wait for
    try:
        with collecting_new_only():  # the client makes some objects a message
            for batch in batches:
                sender.send(batch)
                digest = digest.update(batch)
                progress(digest.rows)
            sender.deliveries.wait_until_at_most(0, 0, silence)
        patience = connection.timeout_seconds
    finally:
        close_within(producer, patience)
    written = sender.deliveries.behind(held)
    _check_log(written, connection)
    return Publication(
        written,
        digest.rows,
        digest,
        time.monotonic() - started,
        sender.size,
        note,
        held.messages,
    )


def end_of(topic: str, held: Mapping[int, tuple[int, int]]) -> TopicSlice:
    """The empty slice at the end of a topic's log, of its watermarks."""
    return TopicSlice(topic, tuple((p, high, high) for p, (_, high) in sorted(held.items())))


def _delivery_seconds(connection: KafkaConnection) -> float:
    """How long the client tries to deliver a message: room for a second request."""
    return 2 * connection.timeout_seconds + 1


def _producer(connection: KafkaConnection, compression: str) -> Any:
    if compression not in COMPRESSIONS:
        raise SettingsError(
            f"expected stream.compression out of {', '.join(COMPRESSIONS)}, received "
            f"{compression}; correct it"
        )
    return KafkaProducer(
        **connection.client_settings(),
        enable_idempotence=True,
        acks="all",
        compression_type=None if compression == "none" else compression,
        linger_ms=20,
        batch_size=1_000_000,
        max_request_size=LARGEST_REQUEST,
        max_block_ms=int(connection.timeout_seconds * 1000),
        delivery_timeout_ms=int(_delivery_seconds(connection) * 1000),
        allow_auto_create_topics=False,
    )


def close_within(producer: Any, patience: float) -> None:
    """Closes a client, whatever it still waits for, within so many seconds and one."""
    try:
        producer.close(timeout=patience)
    except KafkaError:
        # 3.0.12 gives up here before it stops its thread if messages are unacknowledged
        producer._sender.force_close()
        with suppress(KafkaError):
            producer.close(timeout=1)


@dataclass(slots=True)
class _Sender:
    """Deals the messages to the partitions in turn, as fast as they are acknowledged."""

    producer: Any
    codec: Codec
    held: TopicSlice
    silence_seconds: float
    deliveries: Deliveries = field(default_factory=Deliveries)
    messages: int = 0
    size: int = 0

    def send(self, batch: EventBatch) -> None:
        for key, value in self.codec.encode(batch):
            partition, there = self.held.dealt(self.messages)
            self.messages += 1
            self.size += len(key) + len(value)
            if not there:
                self._send(partition, key, value)

    def _send(self, partition: int, key: bytes, value: bytes) -> None:
        try:
            self._hand_over(partition, key, value)
        except KafkaError as error:
            self.deliveries.failed(error)
        if self.deliveries.error or self.deliveries.exceeds(_OUTSTANDING, _OUTSTANDING_BYTES):
            self.deliveries.wait_until_at_most(
                _OUTSTANDING, _OUTSTANDING_BYTES, self.silence_seconds
            )

    def _hand_over(self, partition: int, key: bytes, value: bytes) -> None:
        self.deliveries.sending(key, value)
        future = self.producer.send(self.held.topic, value=value, key=key, partition=partition)
        future.add_callback(self.deliveries.delivered, len(key) + len(value))
        future.add_errback(self.deliveries.failed)


def _check_log(written: TopicSlice, connection: KafkaConnection) -> None:
    """The log itself must hold what was acknowledged.

    Raises:
        PublishError: It does not.
    """
    try:
        check_held(written, watermarks(connection, written.topic))
    except SliceTruncated as error:
        raise PublishError(f"published, but the log lost it: {error}") from error
