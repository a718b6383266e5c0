"""A topic slice: the identity of data, and the digest that proves its content.

In: offsets and event batches. Out: `TopicSlice`, `ContentDigest`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from susystream.errors import DocumentInvalid, SettingsError
from susystream.schema import FEATURES, EventBatch, Int64Array

_PIECE = 4096  # rows hashed at a time: they stay in the processor's cache


@dataclass(frozen=True, slots=True)
class TopicSlice:
    """Exactly recorded offsets of one topic: {partition: [start, end)}.

    Attributes:
        topic: The Kafka topic.
        ranges: (partition, start, end) in order of partition; end is exclusive.
    """

    topic: str
    ranges: tuple[tuple[int, int, int], ...]

    def __post_init__(self) -> None:
        partitions = [partition for partition, _, _ in self.ranges]
        if partitions != sorted(set(partitions)):
            raise SettingsError(f"expected ascending, distinct partitions, received {partitions}")
        for partition, start, end in self.ranges:
            if partition < 0 or not 0 <= start <= end:
                raise SettingsError(
                    f"expected 0 <= start <= end, received [{start}, {end}) "
                    f"of partition {partition}"
                )

    @property
    def messages(self) -> int:
        """How many offsets the slice spans."""
        return sum(end - start for _, start, end in self.ranges)

    def overlaps(self, other: TopicSlice) -> bool:
        """Whether both hold an offset of the same partition of the same topic."""
        return self.topic == other.topic and any(
            partition == another and max(start, first) < min(end, last)
            for partition, start, end in self.ranges
            for another, first, last in other.ranges
        )

    def order(self) -> Iterator[tuple[int, int]]:
        """Every (partition, offset) in reading order: one message of each partition in turn.

        This is the order of publication when messages were dealt to the partitions in turn.
        """
        longest = max((end - start for _, start, end in self.ranges), default=0)
        for step in range(longest):
            for partition, start, end in self.ranges:
                if start + step < end:
                    yield partition, start + step

    def dealt(self, number: int) -> tuple[int, bool]:
        """Where a publication deals its message of a number, one partition after the other.

        Returns:
            The partition, and whether this slice, which begins where it does, holds the message.
        """
        turn, place = divmod(number, len(self.ranges))
        partition, start, end = self.ranges[place]
        return partition, turn < end - start

    def split(self, fraction: float) -> tuple[TopicSlice, TopicSlice]:
        """The slice without the last `fraction` of each partition's messages, and that part."""
        if not 0 <= fraction < 1:
            raise SettingsError(f"expected a fraction in [0, 1), received {fraction}")
        head, tail = [], []
        for partition, start, end in self.ranges:
            middle = end - round((end - start) * fraction)
            head.append((partition, start, middle))
            tail.append((partition, middle, end))
        return TopicSlice(self.topic, tuple(head)), TopicSlice(self.topic, tuple(tail))

    def to_json(self) -> dict[str, Any]:
        """As stored: {"topic": ..., "partitions": {"0": [start, end]}}."""
        return {
            "topic": self.topic,
            "partitions": {str(p): [start, end] for p, start, end in self.ranges},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TopicSlice:
        """The slice a stored document describes.

        Raises:
            DocumentInvalid: The document has another form.
        """
        try:
            items = sorted((int(p), int(r[0]), int(r[1])) for p, r in value["partitions"].items())
            return cls(str(value["topic"]), tuple(items))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise DocumentInvalid(
                f"expected a slice {{topic, partitions: {{id: [start, end]}}}}, received {value!r}"
            ) from error

    def __str__(self) -> str:
        return self.topic + "".join(f" {p}:[{start},{end})" for p, start, end in self.ranges)


@dataclass(frozen=True, slots=True)
class ContentDigest:
    """Count and multiset hash of events: independent of order, batches, partitions and codec.

    An event's 18 features (bit patterns), label and number are multiplied by odd constants and
    added up modulo 2**64 (a multilinear hash: one changed word always shows), then mixed into two
    numbers, which add up over the events. Loss, repetition or change of an event changes the sums.
    It guards against accidents, not attackers.

    Attributes:
        rows: How many events.
        high, low: The two sums.
    """

    rows: int = 0
    high: int = 0
    low: int = 0

    @classmethod
    def of(
        cls, batches: Iterable[EventBatch], on_rows: Callable[[int], None] = lambda rows: None
    ) -> ContentDigest:
        """The digest of all events of some batches.

        Args:
            batches: The events.
            on_rows: Takes how many there were, after each batch.
        """
        digest = cls()
        for batch in batches:
            digest = digest.update(batch)
            on_rows(digest.rows)
        return digest

    def update(self, batch: EventBatch) -> ContentDigest:
        """The digest with a batch added."""
        total = self
        for start in range(0, len(batch), _PIECE):
            total = total._with(batch[start : start + _PIECE])
        return total

    def _with(self, piece: EventBatch) -> ContentDigest:
        return self.merge(ContentDigest.of_hashes(_hashes(piece), piece.numbers))

    @classmethod
    def of_hashes(cls, hashes: NDArray[np.uint64], numbers: Int64Array) -> ContentDigest:
        """The digest of events whose `content_hashes` were computed elsewhere.

        Args:
            hashes: uint64, shape (n,).
            numbers: Of the events, int64, shape (n,).
        """
        numbered = hashes + numbers.view(np.uint64) * _MULTIPLIERS[-1]
        high, low = (int(_mix(numbered ^ salt).sum(dtype=np.uint64)) for salt in _SALTS)
        return cls(len(hashes), high, low)

    def merge(self, other: ContentDigest) -> ContentDigest:
        """The digest of both sets of events together."""
        mask = (1 << 64) - 1
        return ContentDigest(
            self.rows + other.rows, (self.high + other.high) & mask, (self.low + other.low) & mask
        )

    def __str__(self) -> str:
        return f"m2:{self.high:016x}{self.low:016x}"  # 35 characters: MLflow takes 36


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """splitmix64's finaliser (Steele, Lea, Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


# odd multipliers of features, label and number: splitmix64's outputs of a counter
_COUNTER = np.arange(1, len(FEATURES) + 5, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIERS = _mix(_COUNTER[:-2]) | np.uint64(1)
_SALTS = _mix(_COUNTER[-2:])


def content_hashes(batch: EventBatch) -> NDArray[np.uint64]:
    """One number an event, of all but its event number; uint64, shape (n,)."""
    hashes = np.empty(len(batch), np.uint64)
    for start in range(0, len(batch), _PIECE):
        hashes[start : start + _PIECE] = _hashes(batch[start : start + _PIECE])
    return hashes


def _hashes(batch: EventBatch) -> NDArray[np.uint64]:
    """Einsum walks along the rows as they lie, five times a loop's speed."""
    words = batch.features.view(np.uint32).astype(np.uint64)
    hashes: NDArray[np.uint64] = np.einsum("ij,j->i", words, _MULTIPLIERS[:-2])
    hashes += batch.labels * _MULTIPLIERS[-2]
    return hashes
