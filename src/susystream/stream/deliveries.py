"""Delivery reports: how much is on its way, what was given up, where the messages stand.

In: what a producer's client reports, from its own thread. Out: the exact slice that was written.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from susystream.errors import PublishError
from susystream.stream.slices import TopicSlice


@dataclass(slots=True)
class Deliveries:
    """Counts delivery reports, keeps none; the client's thread adds to it.

    Attributes:
        sent, sent_bytes: What was handed to the client.
        acknowledged, acknowledged_bytes: What the log holds of it.
        error: The first that the client reported.
        ranges: First and last offset of each partition.
        counts: Messages of each partition.
    """

    sent: int = 0
    sent_bytes: int = 0
    acknowledged: int = 0
    acknowledged_bytes: int = 0
    error: BaseException | None = None
    ranges: dict[int, tuple[int, int]] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def sending(self, key: bytes, value: bytes) -> None:
        """A message is handed to the client."""
        self.sent += 1
        self.sent_bytes += len(key) + len(value)

    def delivered(self, size: int, report: Any) -> None:
        """The log holds it."""
        partition, offset = report.partition, report.offset
        with self.changed:
            low, high = self.ranges.get(partition, (offset, offset))
            self.ranges[partition] = min(low, offset), max(high, offset)
            self.counts[partition] = self.counts.get(partition, 0) + 1
            self.acknowledged += 1
            self.acknowledged_bytes += size
            self.changed.notify()

    def failed(self, error: BaseException) -> None:
        """The client gave it up."""
        with self.changed:
            self.error = self.error or error
            self.changed.notify()

    def exceeds(self, messages: int, size: int) -> bool:
        """Whether more than that is on its way."""
        unacknowledged = self.sent - self.acknowledged
        return unacknowledged > messages or self.sent_bytes - self.acknowledged_bytes > size

    def wait_until_at_most(self, messages: int, size: int, deadline_seconds: float) -> None:
        """Waits for reports; the deadline starts anew with each one.

        Raises:
            PublishError: One failed, or none came in time.
        """
        with self.changed:
            came = True
            while came and self.error is None and self.exceeds(messages, size):
                came = self.changed.wait(deadline_seconds)
            if self.error is not None or self.exceeds(messages, size):
                problem = self.error or f"silence for {deadline_seconds:g} s"
                raise PublishError(
                    f"expected {self.sent:,} messages to be acknowledged, received "
                    f"{self.acknowledged:,} and then {' '.join(str(problem).split())[:200]}; "
                    "check the broker and publish again"
                )

    def behind(self, held: TopicSlice) -> TopicSlice:
        """The exact slice; our messages must stand without gaps behind those that were held.

        Raises:
            PublishError: They do not, so another producer wrote at the same time.
        """
        ranges = []
        for partition, start, end in held.ranges:
            low, high = self.ranges.get(partition, (end, end - 1))
            sent = self.counts.get(partition, 0)
            if low != end or high - low + 1 != sent:
                raise PublishError(
                    f"expected {sent} messages without a gap from offset {end} in partition "
                    f"{partition} of {held.topic}, received offsets {low} to {high}; another "
                    "producer wrote at the same time: publish to a topic of its own "
                    "(stream.topic=...)"
                )
            if start <= high:
                ranges.append((partition, start, high + 1))
        return TopicSlice(held.topic, tuple(ranges))
