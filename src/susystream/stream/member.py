"""A member of a consumer group, and the producer of its transactions.

In: a topic and a group. Out: messages, transactions, positions. Kafka's errors pass as they are:
`susystream.stream.exchange` decides what becomes of them.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kafka import TopicPartition
from kafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    LogTruncationError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from kafka.structs import MemberState

from susystream.errors import SliceTruncated, StreamError
from susystream.stream.codec import Message
from susystream.stream.connection import KafkaConnection, broker_errors
from susystream.stream.ordering import Place
from susystream.stream.positions import Positions, Start
from susystream.stream.producer import close_within
from susystream.stream.transaction import (
    Outgoing,
    group_consumer,
    transact,
    transactional_producer,
)

_OLDEST = (2, 5)  # KIP-447: offsets in transactions that the group can refuse
_LOOK_SECONDS = 1.0  # between two looks whether the topic is the same, or markers were passed
_PAUSE_SECONDS = 0.05  # before the group is asked again where it stands
_ASK_MS = 2000  # of one question where the group stands; asked again later


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
    _membership: Any = field(default=None, init=False)  # none before its place is settled
    _positions: Positions = field(init=False)
    _topic_id: Any = field(default=None, init=False)
    _looked: float = field(default=0.0, init=False)
    _passed: float = field(default=0.0, init=False)
    # it read from a place that the log does not hold
    _in_vain: bool = field(default=False, init=False)

    def open(self) -> None:
        """The producer first: it ends a transaction of ours whose fate was not known."""
        with broker_errors(self.connection):
            self._open_producer()
            self._consumer = group_consumer(
                self.connection, self.topic, self.group, session_seconds=self.session_seconds
            )
        self._membership = None
        self._positions = Positions(self._consumer, self.topic, self.start, _ASK_MS)
        self._check_broker()

    def _check_broker(self) -> None:
        """An older one takes the offsets of a member that was put out of its group.

        Raises:
            StreamError: It is older.
        """
        found = self._consumer.config["api_version"]
        if found < _OLDEST:
            raise StreamError(
                f"expected a broker of Kafka {'.'.join(map(str, _OLDEST))} or newer to score "
                f"exactly once, received {'.'.join(map(str, found))}; use a newer one"
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

    def poll(self, seconds: float, at_most: int) -> list[Arrived]:
        """Messages of the partitions that are this member's, each partition's in order.

        Raises:
            SliceTruncated: The topic was made anew.
        """
        self._join_on()
        try:
            found = self._consumer.poll(timeout_ms=int(seconds * 1000), max_records=at_most)
        except NoOffsetForPartitionError:  # its place is settled below
            found, self._membership = {}, None
        except (OffsetOutOfRangeError, LogTruncationError):
            if self._in_vain:  # from the place that the group has committed, too
                raise
            # from an old one, perhaps: others may have read on
            found, self._membership, self._in_vain = {}, None, True
        self._check_topic()
        now = self._consumer.group_metadata()
        if self._membership is not None and _same(self._membership, now):
            self._in_vain = self._in_vain and not found
            return [_arrived(record) for records in found.values() for record in records]
        # kafka-python 3.0.12 keeps its places over a rebalance, also those of a member that was put
        # out while it was joining again: others may have read on since
        self._membership = None
        if self._is_settled(now):
            self._membership = now
        else:
            time.sleep(min(seconds, _PAUSE_SECONDS))
        return []

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
        """Goes back to what the group has committed, before anything else is read."""
        self._membership = None

    def partitions(self) -> tuple[int, ...]:
        """Those that are this member's now."""
        return tuple(sorted(one.partition for one in self._consumer.assignment()))

    def lag(self) -> int:
        """How many messages of its partitions it has still to read, as last heard."""
        return self._positions.lag()

    def has_read(self, ends: Mapping[int, int]) -> bool:
        """Whether the group stands behind these offsets, as far as this member knows its place."""
        return self._membership is not None and self._positions.has_read(ends)

    def pass_markers(self) -> None:
        """Commits what was passed without a message; asked when all that was read is committed."""
        now = time.monotonic()
        if self._membership is not None and now - self._passed > _LOOK_SECONDS:
            self._passed = now
            self._positions.pass_markers()

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

    def _join_on(self) -> None:
        """Goes on with a join that took longer than a poll.

        kafka-python 3.0.12 forgets one that it began because it saw other partitions than before
        (as Kafka's own client did, KAFKA-9815), and would be in no group for ever.
        """
        coordinator = self._consumer._coordinator
        if coordinator.rejoining:
            coordinator.request_rejoin()

    def _is_settled(self, membership: Any) -> bool:
        """Whether it stands where its group does."""
        # put out of the group, it must not commit as nobody, which Kafka lets pass; while it joins,
        # it has the new generation and the old partitions
        if membership.generation_id < 0 or membership.state is not MemberState.STABLE:
            return False
        try:
            return self._positions.seek_committed()
        except KafkaTimeoutError:  # the transaction of one that died is still open: asked again
            return False

    def _check_topic(self) -> None:
        """A place means nothing in another topic of the same name, but the client reads on there.

        Raises:
            SliceTruncated: It was made anew.
        """
        cluster, now = self._consumer._cluster, time.monotonic()
        if now - self._looked > _LOOK_SECONDS:
            self._looked = now
            cluster.request_update()  # by the client's own thread
        found = cluster.topic_id(self.topic)
        if not (found and found.int):  # not looked at yet, gone, or of a broker before 2.8
            return
        self._topic_id = self._topic_id or found
        if found != self._topic_id:
            raise SliceTruncated(
                f"expected topic {self.topic} to be the one that group {self.group} reads, "
                "received one that was made anew, of which the first may be passed over; use "
                "another group, which begins anew"
            )


def _same(one: Any, other: Any) -> bool:
    """Whether two memberships are one, which nobody interrupted."""
    return (one.generation_id, one.member_id) == (other.generation_id, other.member_id)


def _arrived(record: Any) -> Arrived:
    place = Place(record.topic, record.partition, record.offset)
    message = record.key, record.value or b""
    return Arrived(place, message, record.timestamp, record.value is None)
