"""Messages that are no events, set aside on a topic of their own.

In: a message, its position and what is wrong with it. Out: the same on `<topic>.dead`, where a
person finds it, and a count; beyond a limit an error.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from susystream.errors import BadMessage, StreamError
from susystream.stream.codec import Message
from susystream.stream.connection import LARGEST_REQUEST, KafkaConnection, broker_errors
from susystream.stream.ordering import Place
from susystream.stream.topics import ensure_topic, message_limit

SUFFIX = ".dead"
_BESIDE = 65_536  # bytes of a letter that are not the message's value: headers, key
_LONG = 16_384  # of a reason or a key
_log = logging.getLogger(__name__)

Letter = tuple[str, bytes, bytes, tuple[tuple[str, bytes], ...]]


def letter_of(place: Place, message: Message, reason: str, *, at_most: int) -> Letter:
    """Topic, key, value and headers of a dead letter.

    The key is the position, `topic/partition/offset`, the value that of the message, and the
    headers hold `reason`, `topic`, `partition`, `offset` and the message's `key`. What does not fit
    is cut; then the header `length` says how long the value was.

    Args:
        place: Where the message stands.
        message: Its key and value.
        reason: What is wrong with it.
        at_most: Bytes of a message that the topic takes.
    """
    key, value = message
    long = min(_LONG, at_most // 4)
    told: dict[str, object] = {"reason": reason.encode()[:long].decode(errors="ignore")}
    told |= place._asdict()
    kept = value[: max(0, at_most - _BESIDE)]
    if len(kept) < len(value):
        told["length"] = len(value)
    headers = [(name, str(one).encode()) for name, one in told.items()]
    if key is not None:
        headers.append(("key", key[:long]))
    return place.topic + SUFFIX, "/".join(str(o) for o in place).encode(), kept, tuple(headers)


def letters_topic(connection: KafkaConnection, topic: str) -> int:
    """Makes the topic of dead letters, which takes any message of its topic with headers.

    Returns:
        Bytes of a letter that it takes: one that others made may take less.
    """
    name, largest = topic + SUFFIX, message_limit(connection, topic) + _BESIDE
    if note := ensure_topic(connection, name, None, largest=largest):
        _log.warning(note)
    return min(message_limit(connection, name), LARGEST_REQUEST)


def too_many(error: BadMessage, topic: str, limit: int, *, cure: str) -> BadMessage:
    """What to say of a message that was set aside, one more than `stream.max_bad`."""
    beyond = f"{error}; it is on topic {topic}{SUFFIX}"
    if limit:
        beyond += f", and one more than stream.max_bad={limit}"
    return BadMessage(f"{beyond}; {cure}, or raise stream.max_bad")


@dataclass(slots=True)
class DeadLetters:
    """Sets bad messages aside; `with` closes what the first of them opened.

    A message that is read in several epochs is set aside once.

    Attributes:
        connection: The broker.
        limit: So many are passed over; one more is an error.
        count: So many were found.
    """

    connection: KafkaConnection
    limit: int = 0
    count: int = field(default=0, init=False)
    _seen: set[Place] = field(default_factory=set, init=False)
    _producer: Any = field(default=None, init=False)
    _topics: dict[str, int] = field(default_factory=dict, init=False)

    def __enter__(self) -> DeadLetters:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._producer is not None:
            with suppress(KafkaError):
                self._producer.close(timeout=self.connection.timeout_seconds)
            self._producer = None

    def put(self, place: Place, message: Message, error: BadMessage) -> None:
        """Sets a message aside, and returns when the broker holds it.

        Raises:
            BadMessage: It is one more than the limit.
            StreamError: The broker did not take it.
        """
        if place in self._seen:
            return
        self._seen.add(place)
        self.count += 1
        self._send(place, message, str(error))
        if self.count > self.limit:
            raise too_many(error, place.topic, self.limit, cure="publish again") from error

    def _send(self, place: Place, message: Message, reason: str) -> None:
        producer, at_most = self._opened(place.topic)
        topic, key, value, headers = letter_of(place, message, reason, at_most=at_most)
        try:
            sent = producer.send(topic, key=key, value=value, headers=list(headers))
            sent.get(timeout=self.connection.timeout_seconds)
        except KafkaError as error:
            raise StreamError(
                f"expected to set a bad message aside on topic {topic} ({reason}), received: "
                f"{' '.join(str(error).split())[:200]}; check the broker, and allow writing to "
                "that topic"
            ) from error

    def _opened(self, topic: str) -> tuple[Any, int]:
        """The producer and the size of a letter; meets the broker once a topic."""
        if topic not in self._topics:
            self._topics[topic] = letters_topic(self.connection, topic)
        if self._producer is None:
            with broker_errors(self.connection):
                self._producer = KafkaProducer(
                    **self.connection.client_settings(),
                    acks="all",
                    max_block_ms=int(self.connection.timeout_seconds * 1000),
                    max_request_size=LARGEST_REQUEST,
                    allow_auto_create_topics=False,
                )
        return self._producer, self._topics[topic]
