"""Reading exactly a slice with kafka-python.

In: a `TopicSlice`. Out: its events, all of them, in its order, or an error.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import OffsetOutOfRangeError

from susystream.errors import SliceTruncated, StreamStalled
from susystream.schema import EventBatch
from susystream.stream.codec import Codec, Message
from susystream.stream.connection import KafkaConnection, broker_errors, why_silent
from susystream.stream.ordering import (
    OnBad,
    OnRead,
    Ordered,
    check_held,
    decoded,
    refuse,
    unwatched,
)
from susystream.stream.slices import TopicSlice
from susystream.stream.topics import watermarks_of

# of a partition and answer: more stays in no cache, of which the client copies it several times
_FETCH_BYTES = 2_097_152
_POLL_MS = 200


@dataclass(frozen=True, slots=True)
class KafkaReader:
    """The default reader.

    Attributes:
        connection: The broker.
        codec: The form of the messages.
        stall_seconds: Silence after which a read is given up.
        ahead_bytes: By how much a partition may run ahead of the others; bounds the memory.
        on_bad: What becomes of messages that are no events.
        on_read: Takes how far a read has come.
    """

    connection: KafkaConnection
    codec: Codec
    stall_seconds: float = 20.0
    ahead_bytes: int = 33_554_432
    on_bad: OnBad = refuse
    on_read: OnRead = unwatched

    def batches(self, wanted: TopicSlice) -> Iterator[EventBatch]:
        """The events of the slice, in its order.

        Raises:
            BrokerUnavailable: Nothing answers at the address.
            StreamError: There is no such topic.
            SliceTruncated: The log no longer holds all offsets.
            StreamStalled: No message came for `stall_seconds`.
            BadMessage: A message is damaged or not ours.
        """
        # closed here: an error's traceback would keep the messages, and so the connection, open
        with closing(self.messages(wanted)) as messages:
            yield from decoded(
                messages, codec=self.codec, wanted=wanted, on_bad=self.on_bad, on_read=self.on_read
            )

    def messages(self, wanted: TopicSlice) -> Generator[list[Message], None, None]:
        """The messages of the slice, in its order; raises as `batches` but for `BadMessage`."""
        with broker_errors(self.connection), closing(self._consumer()) as consumer:
            check_held(wanted, watermarks_of(consumer, wanted.topic))
            yield from self._messages(consumer, wanted)

    def _consumer(self) -> Any:
        return KafkaConsumer(
            **self.connection.client_settings(),
            group_id=None,  # a slice is read by its offsets, never by a group's position
            allow_auto_create_topics=False,  # asking for a topic must not make it
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_bytes=4 * _FETCH_BYTES,
            max_partition_fetch_bytes=_FETCH_BYTES,
            max_poll_records=5000,
            fetch_max_wait_ms=50,
            reconnect_backoff_max_ms=1000,  # the client's own half minute outlasts `stall_seconds`
        )

    def _messages(self, consumer: Any, wanted: TopicSlice) -> Iterator[list[Message]]:
        ordered = Ordered(wanted)
        last = time.monotonic()
        while not ordered.done:
            if self._poll(consumer, ordered, wanted.topic):
                last = time.monotonic()
            elif time.monotonic() - last > self.stall_seconds:
                raise StreamStalled(
                    f"expected messages of {wanted}, received none for {self.stall_seconds:.0f} s; "
                    "check the broker or raise stream.reader.stall_seconds"
                    + why_silent(self.connection)
                )
            while messages := ordered.take():
                yield messages
                last = time.monotonic()  # the time a consumer of ours works is no silence

    def _poll(self, consumer: Any, ordered: Ordered, topic: str) -> bool:
        """Fetches from partitions that have not run ahead; True if anything came.

        kafka-python 3.0.12 never returns what it had buffered of a partition that was paused and
        resumed, so a partition is taken out of the assignment and later put back by a seek.
        """
        wanted = ordered.lagging(self.ahead_bytes)
        if wanted != {tp.partition for tp in consumer.assignment()}:
            consumer.assign([TopicPartition(topic, partition) for partition in sorted(wanted)])
            for partition in wanted:
                consumer.seek(TopicPartition(topic, partition), ordered.next_offset(partition))
        try:
            arrived = consumer.poll(timeout_ms=_POLL_MS)
        except OffsetOutOfRangeError as error:
            raise SliceTruncated(
                f"expected {topic} to keep its offsets while they are read, received: the log "
                "start moved past them; publish again"
            ) from error
        for tp, records in arrived.items():
            for record in records:
                value = record.value or b""  # none at all is no event either
                ordered.push(tp.partition, record.offset, (record.key, value))
        if not arrived:
            _check_positions(consumer, ordered)
        return bool(arrived)


def _check_positions(consumer: Any, ordered: Ordered) -> None:
    """The client steps over offsets without records (transaction markers); a slice has none."""
    for tp in consumer.assignment():
        position = consumer.position(tp, timeout_ms=_POLL_MS)
        if position is not None:
            ordered.expect(tp.partition, position)
