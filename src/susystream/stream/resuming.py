"""What a publication that was killed left on its topic.

In: where it began, and the events it was to publish. Out: which of its messages the log holds.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import chain, islice, zip_longest

from susystream.schema import EventBatch
from susystream.stream.codec import Codec, Message
from susystream.stream.connection import KafkaConnection
from susystream.stream.consumer import KafkaReader
from susystream.stream.slices import TopicSlice
from susystream.stream.topics import watermarks

_SETTLE_SECONDS = 0.5
_SETTLE_DEADLINE_SECONDS = 30.0


def held_of(
    begin: TopicSlice, batches: Iterable[EventBatch], *, connection: KafkaConnection, codec: Codec
) -> TopicSlice | None:
    """The messages of a publication that the log holds, each compared with what it must be.

    Messages are dealt to the partitions in turn, and an idempotent producer keeps their order, so
    what a killed one left is the beginning of each partition's share.

    Args:
        begin: The empty slice at which it began.
        batches: All events it was to publish.
        connection: The broker.
        codec: The form of the messages.

    Returns:
        None if the log holds anything else there: the topic was made anew, or others wrote.

    Raises:
        StreamError: There is no such topic, or it cannot be read.
    """
    held = _behind(begin, _settled(connection, begin.topic))
    if held is None:
        return None
    reader = KafkaReader(connection, codec)
    found = chain.from_iterable(reader.messages(held))
    wanted = islice(_dealt(batches, codec, held), held.messages)
    return held if all(one == other for one, other in zip_longest(found, wanted)) else None


def _settled(connection: KafkaConnection, topic: str) -> dict[int, tuple[int, int]]:
    """Watermarks that no longer move: what a dead process had sent may still be on its way."""
    ends = time.monotonic() + _SETTLE_DEADLINE_SECONDS
    before, now = None, watermarks(connection, topic)
    while now != before and time.monotonic() < ends:
        time.sleep(_SETTLE_SECONDS)
        before, now = now, watermarks(connection, topic)
    return now


def _behind(begin: TopicSlice, held: dict[int, tuple[int, int]]) -> TopicSlice | None:
    """All that the log holds from the beginning on."""
    ranges = tuple((p, start, held.get(p, (0, 0))[1]) for p, start, _ in begin.ranges)
    lost = any(held.get(p, (0, 0))[0] > start or end < start for p, start, end in ranges)
    return None if lost or len(ranges) != len(held) else TopicSlice(begin.topic, ranges)


def _dealt(batches: Iterable[EventBatch], codec: Codec, held: TopicSlice) -> Iterator[Message]:
    """The messages that must stand in the held slice, in its order."""
    messages = (message for batch in batches for message in codec.encode(batch))
    for number, message in enumerate(messages):
        if held.dealt(number)[1]:
            yield message
