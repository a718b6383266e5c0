"""Reading a topic as one of a group, and writing what comes of it: exactly once.

In: a topic's messages, dealt by Kafka to the members of a group. Out: messages on other topics.
These and the group's offsets are committed in one transaction, so that either both are there or
the messages are read again, whatever dies in between.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, NamedTuple

from kafka import TopicPartition
from kafka.errors import (
    CommitFailedError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from kafka.structs import OffsetAndMetadata

from susystream.errors import BrokerUnavailable, SliceTruncated, StreamError
from susystream.stream.codec import Message
from susystream.stream.ordering import Place
from susystream.stream.patience import Patience
from susystream.stream.producer import close_within
from susystream.stream.topics import KafkaConnection, broker_errors, watermarks
from susystream.stream.transaction import (
    Outgoing,
    group_consumer,
    transact,
    transactional_producer,
    within,
)

Start = Literal["earliest", "latest"]


class Arrived(NamedTuple):
    """A message that was read, and when its producer or its broker says it was written."""

    place: Place
    message: Message
    timestamp_ms: int


@dataclass(slots=True)
class Exchange:
    """A member of a consumer group with a transactional producer; `with` joins and leaves.

    Attributes:
        connection: The broker.
        topic: What is read.
        group: The consumer group; its members share the partitions.
        start: Where a group begins that never read the topic.
        at_most: Messages of one `poll`.
        patience_seconds: For so long the broker may be away.
        session_seconds: After so long a member that died is noticed, and its transaction given up.
        reopened: How often the clients were made anew, because the broker had been away.
        given_up: How many transactions were given up; their messages were read again.
    """

    connection: KafkaConnection
    topic: str
    group: str
    start: Start = "earliest"
    at_most: int = 500
    patience_seconds: float = 20.0
    session_seconds: float = 10.0
    reopened: int = field(default=0, init=False)
    given_up: int = field(default=0, init=False)
    # of this member alone: after an unclear commit it ends the transaction before it reads on
    _id: str = field(default_factory=lambda: f"susystream-{uuid.uuid4()}", init=False)
    _consumer: Any = field(default=None, init=False)
    _producer: Any = field(default=None, init=False)
    _membership: Any = field(default=None, init=False)
    _patience: Patience = field(init=False)

    def __post_init__(self) -> None:
        self._patience = Patience(self.connection, self.patience_seconds)

    def __enter__(self) -> Exchange:
        watermarks(self.connection, self.topic)  # a topic that is not there is told now
        try:
            self._open()
        except BaseException:
            self._close(0.0)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close(0.0 if kind else self.connection.timeout_seconds)

    def poll(self, seconds: float = 0.2) -> list[Arrived]:
        """Messages of the partitions that are this member's, each partition's in order.

        Raises:
            BrokerUnavailable: It was away for longer than the patience.
            SliceTruncated: Retention removed messages that the group had not read.
            StreamError: Kafka refused.
        """
        try:
            found = self._consumer.poll(timeout_ms=int(seconds * 1000), max_records=self.at_most)
        except NoOffsetForPartitionError:
            return self._tried(self._begin) or []
        except OffsetOutOfRangeError as error:
            raise SliceTruncated(
                f"expected topic {self.topic} to keep what group {self.group} has not read, "
                "received: retention removed some of it; use another group, which begins anew"
            ) from error
        except KafkaError as error:
            self._reopen(error)
            return []
        if not found:
            self._patience.check()
            return []
        self._patience.heard()
        # As it is now: a member that was halted and put out of the group must not commit as nobody,
        # which Kafka lets pass.
        self._membership = self._consumer.group_metadata()
        if self._membership.generation_id < 0:
            self.rewind()
            return []
        return [_arrived(record) for records in found.values() for record in records]

    def commit(self, outgoing: Iterable[Outgoing], read: Sequence[Arrived]) -> bool:
        """Writes, and moves the group behind what was read: both or neither.

        Returns:
            False for neither: what was read, `poll` brings again, here or to another member.

        Raises:
            BrokerUnavailable: It was away for longer than the patience.
            StreamError: Kafka refused.
        """
        try:
            transact(
                self._producer,
                outgoing,
                moved=_behind(read),
                membership=self._membership,
                deadline_seconds=self._deadline,
            )
        except CommitFailedError:  # the partitions may be another's by now
            self.given_up += 1
            self._tried(self._rewind)
            return False
        except KafkaError as error:  # what became of it, the next opening settles
            self.given_up += 1
            self._reopen(error)
            return False
        self._patience.heard()
        return True

    def rewind(self) -> None:
        """Gives up what was read since the last commit: `poll` brings it again."""
        self._tried(self._seek_committed)

    def lag(self) -> int:
        """How many messages of this member's partitions it has still to read, as last heard."""
        return sum(
            max(0, (self._consumer.highwater(one) or 0) - (self._position(one) or 0))
            for one in self._consumer.assignment()
        )

    def partitions(self) -> tuple[int, ...]:
        """Those that are this member's now."""
        return tuple(sorted(one.partition for one in self._consumer.assignment()))

    def has_read(self, ends: Mapping[int, int]) -> bool:
        """Whether this member has partitions, and stands behind these offsets in all of them."""
        mine = self._consumer.assignment()
        positions = {one.partition: self._position(one) for one in mine}
        return bool(mine) and all(
            found is not None and found >= ends.get(partition, 0)
            for partition, found in positions.items()
        )

    def _position(self, one: TopicPartition) -> int | None:
        with suppress(KafkaError):
            found: int | None = self._consumer.position(one, timeout_ms=200)
            return found
        return None

    def _open(self) -> None:
        """The producer first: it ends a transaction of ours whose fate was not known."""
        with broker_errors(self.connection):
            self._producer = transactional_producer(
                self.connection, self._id, session_seconds=self.session_seconds
            )
            self._producer.init_transactions()
            self._consumer = group_consumer(
                self.connection, self.topic, self.group, session_seconds=self.session_seconds
            )
        self._patience.heard()

    @property
    def _deadline(self) -> float:
        return 2 * self.connection.timeout_seconds

    def _milliseconds(self) -> int:
        return int(self.connection.timeout_seconds * 1000)

    def _rewind(self) -> None:
        within(self._deadline, self._producer.abort_transaction)
        self._seek_committed()

    def _seek_committed(self) -> None:
        for one in self._consumer.assignment():
            committed = self._consumer.committed(one, timeout_ms=self._milliseconds())
            if committed is not None:
                self._consumer.seek(one, committed)
            elif self.start == "earliest":
                self._consumer.seek_to_beginning(one)

    def _begin(self) -> list[Arrived]:
        """Where the group has read nothing yet; `latest` is kept, or a restart might pass over."""
        consumer, milliseconds = self._consumer, self._milliseconds()
        for one in consumer.assignment():
            if consumer.committed(one, timeout_ms=milliseconds) is not None:
                continue
            if self.start == "earliest":
                consumer.seek_to_beginning(one)
                continue
            end = consumer.end_offsets([one])[one]
            consumer.commit({one: OffsetAndMetadata(end, "", -1)}, timeout_ms=milliseconds)
            consumer.seek(one, end)
        return []

    def _tried(self, step: Callable[[], Any]) -> Any:
        try:
            return step()
        except CommitFailedError:
            return None  # a rebalance came in between: the next poll brings new partitions
        except KafkaError as error:
            self._reopen(error)
            return None

    def _reopen(self, error: KafkaError) -> None:
        """New clients; what was not committed is read again.

        Raises:
            StreamError: The broker stayed away, or still refuses.
        """
        self.reopened += 1
        ends = time.monotonic() + self.patience_seconds
        while True:
            self._close(0.0)
            try:
                self._open()
            except (KafkaError, StreamError) as again:
                if time.monotonic() > ends:
                    if isinstance(again, BrokerUnavailable):
                        raise
                    raise StreamError(
                        f"expected to read topic {self.topic} and to write in transactions, "
                        f"received: {' '.join(str(error).split())[:120]}, and then for "
                        f"{self.patience_seconds:g} s: {again}"
                    ) from error
                time.sleep(0.2)
            else:
                return

    def _close(self, patience: float) -> None:
        producer, consumer = self._producer, self._consumer
        self._producer = self._consumer = None
        if producer is not None:
            with suppress(KafkaError):
                close_within(producer, patience)
        if consumer is not None:
            with suppress(KafkaError):
                consumer.close(autocommit=False, timeout_ms=int(1000 * (patience or 1.0)))


def _arrived(record: Any) -> Arrived:
    place = Place(record.topic, record.partition, record.offset)
    return Arrived(place, (record.key, record.value), record.timestamp)


def _behind(read: Sequence[Arrived]) -> dict[TopicPartition, int]:
    """The offset after the last of each partition."""
    places = [one.place for one in read]
    return {TopicPartition(one.topic, one.partition): one.offset + 1 for one in places}
