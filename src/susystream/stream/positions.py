"""Where a consumer group stands in a topic, and where it begins.

In: a consumer of a group. Out: its partitions' positions, moved to what the group has committed.
Kafka's errors pass as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from kafka import TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

Start = Literal["earliest", "latest"]
_POSITION_MS = 200


@dataclass(frozen=True, slots=True)
class Positions:
    """A consumer's places in the one topic that it reads.

    Attributes:
        consumer: Of kafka-python, without automatic commits.
        topic: What it reads.
        start: Where a group begins that never read the topic.
        timeout_ms: Of a question to the broker.
    """

    consumer: Any
    topic: str
    start: Start
    timeout_ms: int

    def seek_committed(self) -> bool:
        """Goes to what the group has committed.

        Returns:
            False if that is not settled: another member will say where the group begins.
        """
        bare = []
        for one in self.consumer.assignment():
            committed = self._committed(one)
            if committed is None:
                bare.append(one)
            else:
                self.consumer.seek(one, committed)
        return not bare or self._begin(bare)

    def _begin(self, bare: Iterable[TopicPartition]) -> bool:
        """Where the group has committed nothing.

        A group begins at one moment in all partitions: with `latest`, the member that has the first
        partition writes that down for all of them at once. A partition without a place is one that
        was added later, and begins at its start: what came before it was seen is not passed over.
        """
        every = sorted(self.consumer.partitions_for_topic(self.topic) or ())
        keys = [TopicPartition(self.topic, partition) for partition in every]
        if self.start == "earliest":
            self.consumer.seek_to_beginning(*bare)
            return True
        if any(self._committed(key) is not None for key in keys):
            self._seek_begun(bare)
            return True
        if keys[0] not in self.consumer.assignment():
            return False
        ends = self.consumer.end_offsets(keys, timeout_ms=self.timeout_ms)
        self._commit(ends)
        for one in bare:
            self.consumer.seek(one, ends[one])
        return True

    def _seek_begun(self, bare: Iterable[TopicPartition]) -> None:
        """Asked again: the group may have begun just after it was asked for their places."""
        for one in bare:
            committed = self._committed(one)
            if committed is None:
                self.consumer.seek_to_beginning(one)
            else:
                self.consumer.seek(one, committed)

    def has_read(self, ends: Mapping[int, int]) -> bool:
        """Whether this member, or one before it, stands behind these offsets in each partition."""
        mine = {one.partition for one in self.consumer.assignment()}
        for partition, end in ends.items():
            one = TopicPartition(self.topic, partition)
            place = self._position(one) if partition in mine else self._committed(one)
            if place is None or place < end:
                return False
        return True

    def pass_markers(self) -> None:
        """Commits the places of this member's partitions, if all that it read is committed.

        Behind the last message there may be the markers of transactions, or what one that was given
        up had written. Others, who ask whether all is read, see only what is committed.
        """
        for one in self.consumer.assignment():
            position = self._position(one)
            if position is not None and position > (self._committed(one) or 0):
                self._commit({one: position})

    def lag(self) -> int:
        """How many messages of its partitions it has still to read, as last heard."""
        found = 0
        for one in self.consumer.assignment():
            position, end = self._position(one), self.consumer.highwater(one)
            if position is not None and end is not None:
                found += max(0, end - position)
        return found

    def _commit(self, places: Mapping[TopicPartition, int]) -> None:
        stated = {one: OffsetAndMetadata(place, "", -1) for one, place in places.items()}
        self.consumer.commit(stated, timeout_ms=self.timeout_ms)

    def _committed(self, one: TopicPartition) -> int | None:
        # kafka-python 3.0.12 keeps a question that timed out, and gives its old answer to the next
        self.consumer._coordinator._offset_fetch_futures.clear()
        found: int | None = self.consumer.committed(one, timeout_ms=self.timeout_ms)
        return found

    def _position(self, one: TopicPartition) -> int | None:
        with suppress(KafkaError):
            found: int | None = self.consumer.position(one, timeout_ms=_POSITION_MS)
            return found
        return None
