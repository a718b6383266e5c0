"""A member of a consumer group, and the producer of its transactions.

In: a topic and a group. Out: messages, transactions, positions. Kafka's errors pass as they are:
`susystream.stream.exchange` decides what becomes of them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from kafka import TopicPartition
from kafka.errors import KafkaError, NoOffsetForPartitionError
from kafka.structs import OffsetAndMetadata

from susystream.stream.codec import Message
from susystream.stream.ordering import Place
from susystream.stream.producer import close_within
from susystream.stream.topics import KafkaConnection, broker_errors
from susystream.stream.transaction import (
    Outgoing,
    group_consumer,
    transact,
    transactional_producer,
)

Start = Literal["earliest", "latest"]
_POSITION_MS = 200


class Arrived(NamedTuple):
    """A message that was read.

    Attributes:
        place: Where it stands.
        message: Its key and value; the value of a tombstone is empty.
        timestamp_ms: When its producer or its broker says it was written; -1 if nobody does.
        tombstone: It has no value.
    """

    place: Place
    message: Message
    timestamp_ms: int
    tombstone: bool = False


@dataclass(slots=True)
class Member:
    """Two clients that belong together; opened and closed by who owns it.

    Attributes:
        connection: The broker.
        topic: What is read.
        group: Whose members share the partitions.
        start: Where a group begins that never read the topic.
        session_seconds: After so long a member that died is noticed, and its transaction given up.
    """

    connection: KafkaConnection
    topic: str
    group: str
    start: Start
    session_seconds: float
    # of this member alone: after an unclear commit it ends the transaction before it reads on
    _id: str = field(default_factory=lambda: f"susystream-{uuid.uuid4()}", init=False)
    _consumer: Any = field(default=None, init=False)
    _producer: Any = field(default=None, init=False)
    _membership: Any = field(default=None, init=False)

    def open(self) -> None:
        """The producer first: it ends a transaction of ours whose fate was not known."""
        with broker_errors(self.connection):
            self._open_producer()
            self._consumer = group_consumer(
                self.connection, self.topic, self.group, session_seconds=self.session_seconds
            )

    def close(self, patience: float) -> None:
        """Leaves the group; waits for what is under way for so many seconds."""
        self._close_producer(patience)
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with suppress(KafkaError):
                consumer.close(autocommit=False, timeout_ms=int(1000 * (patience or 1.0)))

    def give_up(self) -> None:
        """Ends a transaction whose offsets were refused, and goes back to what is committed.

        The producer is made anew: kafka-python 3.0.12 keeps the refused offsets, and would commit
        them with its next transaction, though another member may own the partitions by then.
        """
        self._close_producer(0.0)
        with broker_errors(self.connection):
            self._open_producer()
        self.seek_committed()

    def poll(self, seconds: float, at_most: int) -> list[Arrived] | None:
        """Messages of the partitions that are this member's, each partition's in order.

        Returns:
            None if they are none of this member's any more.
        """
        try:
            found = self._consumer.poll(timeout_ms=int(seconds * 1000), max_records=at_most)
        except NoOffsetForPartitionError:
            self._begin()
            return []
        # As it is now: a member that was halted and put out of the group must not commit as nobody,
        # which Kafka lets pass.
        self._membership = self._consumer.group_metadata()
        if found and self._membership.generation_id < 0:
            return None
        return [_arrived(record) for records in found.values() for record in records]

    def transact(self, outgoing: Iterable[Outgoing], read: Sequence[Arrived]) -> None:
        """Writes, and moves the group behind what was read: both or neither."""
        places = [one.place for one in read]
        transact(
            self._producer,
            outgoing,
            moved={TopicPartition(one.topic, one.partition): one.offset + 1 for one in places},
            membership=self._membership,
            deadline_seconds=self.connection.timeout_seconds,
        )

    def seek_committed(self) -> None:
        """Goes back to what the group has committed."""
        for one in self._consumer.assignment():
            committed = self._committed(one)
            if committed is not None:
                self._consumer.seek(one, committed)
            elif self.start == "earliest":
                self._consumer.seek_to_beginning(one)

    def partitions(self) -> tuple[int, ...]:
        """Those that are this member's now."""
        return tuple(sorted(one.partition for one in self._consumer.assignment()))

    def lag(self) -> int:
        """How many messages of its partitions it has still to read, as last heard."""
        found = 0
        for one in self._consumer.assignment():
            position, end = self._position(one), self._consumer.highwater(one)
            if position is not None and end is not None:
                found += max(0, end - position)
        return found

    def has_read(self, ends: Mapping[int, int]) -> bool:
        """Whether this member, or one before it, stands behind these offsets in each partition."""
        mine = {one.partition for one in self._consumer.assignment()}
        for partition, end in ends.items():
            one = TopicPartition(self.topic, partition)
            found = self._position(one) if partition in mine else self._committed(one)
            if found is None or found < end:
                return False
        return True

    def _open_producer(self) -> None:
        self._producer = transactional_producer(
            self.connection, self._id, session_seconds=self.session_seconds
        )
        self._producer.init_transactions()

    def _close_producer(self, patience: float) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(KafkaError):
                close_within(producer, patience)

    def _begin(self) -> None:
        """Where the group has read nothing yet.

        A partition that was added later begins at its start, or what came before it was seen would
        be passed over; so does `latest` write down where it begins.
        """
        consumer, mine = self._consumer, self._consumer.assignment()
        every = consumer.partitions_for_topic(self.topic) or set()
        known = any(self._committed(TopicPartition(self.topic, one)) is not None for one in every)
        for one in (one for one in mine if self._committed(one) is None):
            if known or self.start == "earliest":
                consumer.seek_to_beginning(one)
                continue
            end = consumer.end_offsets([one])[one]
            consumer.commit({one: OffsetAndMetadata(end, "", -1)}, timeout_ms=self._milliseconds)
            consumer.seek(one, end)

    def _committed(self, one: TopicPartition) -> int | None:
        found: int | None = self._consumer.committed(one, timeout_ms=self._milliseconds)
        return found

    def _position(self, one: TopicPartition) -> int | None:
        with suppress(KafkaError):
            found: int | None = self._consumer.position(one, timeout_ms=_POSITION_MS)
            return found
        return None

    @property
    def _milliseconds(self) -> int:
        return int(self.connection.timeout_seconds * 1000)


def _arrived(record: Any) -> Arrived:
    place = Place(record.topic, record.partition, record.offset)
    message = record.key, record.value or b""
    return Arrived(place, message, record.timestamp, record.value is None)
