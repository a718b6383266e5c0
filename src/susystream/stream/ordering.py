"""Messages of several partitions in the one order of a slice, and their events.

In: messages as they arrive, partition by partition. Out: events in `TopicSlice.order()`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple, TypeAlias

from susystream.errors import BadMessage, SliceTruncated
from susystream.schema import EventBatch, concatenate
from susystream.stream.codec import Codec, Message
from susystream.stream.slices import TopicSlice

BATCH_ROWS = 16_384
_PIECE_BYTES = 2_097_152


class Ordered:
    """Buffers what arrives early; every offset must arrive, none twice."""

    def __init__(self, wanted: TopicSlice) -> None:
        self._slice = wanted
        self._order: Iterator[tuple[int, int]] = wanted.order()
        self._head = next(self._order, None)
        self._expected = {partition: start for partition, start, _ in wanted.ranges}
        self._ends = {partition: end for partition, _, end in wanted.ranges}
        self._buffers: dict[int, deque[Message]] = {p: deque() for p, _, _ in wanted.ranges}
        self._bytes = dict.fromkeys(self._buffers, 0)
        self._resting: set[int] = set()

    @property
    def done(self) -> bool:
        """Every message of the slice was taken."""
        return self._head is None

    def complete(self, partition: int) -> bool:
        """Every message of the partition has arrived."""
        return self._expected[partition] >= self._ends[partition]

    def next_offset(self, partition: int) -> int:
        """The offset that must arrive next."""
        return self._expected[partition]

    def waiting_bytes(self, partition: int) -> int:
        """About how much memory the partition's messages take that were not taken yet."""
        return self._bytes[partition]

    def lagging(self, ahead_bytes: int) -> set[int]:
        """Partitions that still miss messages and do not hold more than `ahead_bytes`.

        A partition that was left out comes back once half of its bytes were taken.
        """
        for partition, held in self._bytes.items():
            if held > ahead_bytes:
                self._resting.add(partition)
            elif held <= ahead_bytes // 2:
                self._resting.discard(partition)
        return {p for p in self._bytes if not self.complete(p)} - self._resting

    def push(self, partition: int, offset: int, message: Message) -> None:
        """Takes a message in; one behind the end of the slice is none of ours.

        Raises:
            SliceTruncated: An offset is missing before this one.
        """
        if offset >= self._ends[partition] and self.complete(partition):
            return
        self.expect(partition, offset)
        self._expected[partition] += 1
        self._buffers[partition].append(message)
        self._bytes[partition] += _size(message)

    def expect(self, partition: int, offset: int) -> None:
        """Checks that `offset` is the next to arrive.

        Raises:
            SliceTruncated: It is not: the log has a gap, or repeats itself.
        """
        if offset != self._expected[partition]:
            raise SliceTruncated(
                f"expected offset {self._expected[partition]} of {self._slice.topic}, partition "
                f"{partition}, received {offset}; the log no longer holds the slice: publish again"
            )

    def take(self, at_most_bytes: int = _PIECE_BYTES) -> list[Message]:
        """The next messages in order, as far as they have arrived; at least one if it has."""
        taken: list[Message] = []
        while self._head is not None and at_most_bytes > 0:
            partition = self._head[0]
            if not self._buffers[partition]:
                break
            message = self._buffers[partition].popleft()
            size = _size(message)
            self._bytes[partition] -= size
            at_most_bytes -= size
            taken.append(message)
            self._head = next(self._order, None)
        return taken


def _size(message: Message) -> int:
    return len(message[1]) + 200  # what the objects around the bytes take


def check_held(wanted: TopicSlice, held: dict[int, tuple[int, int]]) -> None:
    """Checks a slice against the watermarks of its topic.

    Raises:
        SliceTruncated: The log lost part of the slice.
    """
    for partition, start, end in wanted.ranges:
        low, high = held.get(partition, (0, 0))
        if start < end and (low > start or high < end):
            raise SliceTruncated(
                f"expected offsets [{start}, {end}) of {wanted.topic}, partition {partition}, "
                f"{_what_is_held(partition, start, held)}"
            )


def _what_is_held(partition: int, start: int, held: dict[int, tuple[int, int]]) -> str:
    if partition not in held:
        known = ", ".join(str(one) for one in sorted(held))
        return f"the topic has partitions {known} alone; correct the slice, or publish again"
    low, high = held[partition]
    if low > start:
        return f"the log holds [{low}, {high}): retention removed the first; publish again"
    return (
        f"the log holds [{low}, {high}); correct the offsets, or publish again if the topic was "
        "made anew"
    )


class Place(NamedTuple):
    """Where a message stands."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"topic {self.topic}, partition {self.partition}, offset {self.offset}"


OnBad: TypeAlias = Callable[[Place, Message, BadMessage], None]
"""What to do with a message that is no event: raise, or return to pass over it."""


OnRead: TypeAlias = Callable[[int, int], None]
"""Takes how many messages and events of a slice were read so far."""


def unwatched(messages: int, events: int) -> None:
    """Nobody wants to know."""


def refuse(place: Place, message: Message, error: BadMessage) -> None:
    """Raises: no bad message is passed over."""
    raise error


def decoded(
    pieces: Iterable[list[Message]],
    *,
    codec: Codec,
    wanted: TopicSlice,
    on_bad: OnBad = refuse,
    on_read: OnRead = unwatched,
) -> Iterator[EventBatch]:
    """The events of a slice's messages, which come in order, in batches of `BATCH_ROWS`.

    The batches depend on the content only, not on how messages happened to arrive.

    Args:
        pieces: All messages.
        codec: Their form.
        wanted: Where they stand.
        on_bad: Called with each that is not of this form.
        on_read: Called after each piece.

    Raises:
        BadMessage: By `refuse`, naming partition and offset.
        SliceTruncated: There were not as many messages as the slice spans.
    """
    count, events, rows, held = 0, 0, 0, list[EventBatch]()
    for messages in pieces:
        try:
            batch = codec.decode_many(messages)
        except BadMessage:
            places = islice(wanted.order(), count, None)  # slow, but only on the way out
            batch = concatenate(list(_good(messages, places, codec, wanted.topic, on_bad)))
        count += len(messages)
        events += len(batch)
        on_read(count, events)
        rows += len(batch)
        held.append(batch)
        if rows >= BATCH_ROWS:
            joined = concatenate(held)
            whole = rows - rows % BATCH_ROWS
            yield from (joined[i : i + BATCH_ROWS] for i in range(0, whole, BATCH_ROWS))
            rows, held = rows - whole, [joined[whole:]]
    if count != wanted.messages:
        raise SliceTruncated(
            f"expected {wanted.messages} messages of {wanted}, received {count}; publish again"
        )
    if rows:
        yield concatenate(held)


def _good(
    messages: list[Message],
    places: Iterable[tuple[int, int]],
    codec: Codec,
    topic: str,
    on_bad: OnBad,
) -> Iterator[EventBatch]:
    """Message by message, those that are events."""
    for (partition, offset), message in zip(places, messages, strict=False):
        place = Place(topic, partition, offset)
        try:
            yield codec.decode(*message)
        except BadMessage as error:
            on_bad(place, message, BadMessage(f"{place}: {error}"))
