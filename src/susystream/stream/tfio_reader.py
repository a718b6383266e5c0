"""Reading a slice with tensorflow-io 0.37.1.

In: a `TopicSlice`. Out: the same arrays as the default reader, or a refusal.
`tfio.IODataset.from_kafka` ignores `offset=`, reads a partition in pieces of 1024 and loses a piece
of one record, raises on an empty partition, and opens its consumer under one name for the whole
process: two at a time read each other's partition, with the right count. (Each was reproduced on
a real broker.) So we call the operations below it: they honour a first and last offset and take a
name for each read. They too return nothing when asked for a single record, so no read asks for
one; each piece is counted.
"""

from __future__ import annotations

import importlib
import queue
import re
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from susystream.errors import ReaderUnsupported, StreamError, StreamStalled
from susystream.quiet_tensorflow import tf
from susystream.schema import EventBatch
from susystream.stderr import stderr_without
from susystream.stream.codec import Codec, Message
from susystream.stream.connection import KafkaConnection, why_silent
from susystream.stream.ordering import (
    OnBad,
    OnRead,
    Ordered,
    check_held,
    decoded,
    refuse,
    unwatched,
)
from susystream.stream.security import HOST_CHECK, secrets_of, uses_tls, without_secrets
from susystream.stream.slices import TopicSlice
from susystream.stream.tfio_extra import CURE, not_there
from susystream.stream.topics import watermarks

_PIECE = 1024  # records the library fetches at once


@dataclass(frozen=True, slots=True)
class _Span:
    """One read, of offsets [start, stop), of which `keep` after the first `skip` are wanted."""

    start: int
    stop: int
    skip: int
    keep: int


@dataclass(frozen=True, slots=True)
class TfioReader:
    """The second reader.

    Attributes:
        connection: The broker.
        codec: The form of the messages.
        stall_seconds: Silence after which a read is given up.
        on_bad: What becomes of messages that are no events.
        on_read: Takes how far a read has come.
    """

    connection: KafkaConnection
    codec: Codec
    stall_seconds: float = 20.0
    on_bad: OnBad = refuse
    on_read: OnRead = unwatched

    def batches(self, wanted: TopicSlice) -> Iterator[EventBatch]:
        """The events of the slice, in its order.

        Raises:
            BrokerUnavailable: Nothing answers at the address.
            ReaderUnsupported: tensorflow-io is missing or cannot honour this slice.
            SliceTruncated: The log no longer holds all offsets.
            StreamStalled: No message came for `stall_seconds`.
            BadMessage: A message is damaged or not ours.
        """
        self._configuration()  # refuses what it cannot say before anything is opened
        held = watermarks(self.connection, wanted.topic)
        check_held(wanted, held)
        spans = {
            partition: list(_spans(wanted.topic, partition, (start, end), held[partition]))
            for partition, start, end in wanted.ranges
            if start < end
        }
        operations = _operations()
        sources = {
            partition: self._records(operations, wanted.topic, partition, spans[partition])
            for partition in spans
        }
        pieces = self._pieces(wanted, sources)
        yield from decoded(
            pieces, codec=self.codec, wanted=wanted, on_bad=self.on_bad, on_read=self.on_read
        )

    def _configuration(self) -> list[str]:
        security = self.connection.security
        _check_sayable({"bootstrap.servers": self.connection.bootstrap_servers, **security})
        if uses_tls(security) and security.get(HOST_CHECK) != "none":
            raise ReaderUnsupported(
                f"expected {HOST_CHECK}: none, since tensorflow-io cannot compare the name of a "
                f"broker with its certificate, received https; {CURE}, or set none where any "
                "certificate of ssl.ca.location will do"
            )
        stated = [f"{name}={value}" for name, value in security.items()]
        servers = f"bootstrap.servers={self.connection.bootstrap_servers}"
        return [servers, "fetch.wait.max.ms=5", "enable.auto.commit=false", *stated]

    def _records(
        self, operations: Any, topic: str, partition: int, spans: list[_Span]
    ) -> Iterator[list[Message]]:
        """A partition, a span at a time."""
        init = partial(
            operations.io_kafka_readable_init,
            topic,
            partition,
            offset=0,
            metadata=self._configuration(),
            shared_name=f"susystream-{uuid.uuid4()}",
        )
        with stderr_without(secrets_of(self.connection.security)):
            resource = self._within(init, topic)
        try:
            for span in spans:
                read = partial(
                    operations.io_kafka_readable_read, resource, start=span.start, stop=span.stop
                )
                yield _messages(self._within(read, topic), f"{topic}, partition {partition}", span)
        finally:
            tf.raw_ops.DestroyResourceOp(resource=resource, ignore_lookup_error=True)

    def _within(self, call: Callable[[], Any], topic: str) -> Any:
        """The call's result; the library retries a silent broker for ever, so a thread asks it."""
        answers: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put((call(), None))
            except Exception as error:
                answers.put((None, error))

        threading.Thread(target=ask, daemon=True, name="tensorflow-io").start()
        try:
            result, error = answers.get(timeout=self.stall_seconds)
        except queue.Empty:
            raise StreamStalled(
                f"expected messages of {topic} from tensorflow-io, received none for "
                f"{self.stall_seconds:g} s; check the broker or {CURE}"
                + why_silent(self.connection)
            ) from None
        if isinstance(error, tf.errors.OpError):
            told = re.sub(r"\{\{.*?\}\} ", "", error.message)  # the name of the operation
            told = without_secrets(told, self.connection.security)
            raise StreamError(
                f"expected tensorflow-io to read {topic}, received: {told}; {CURE}"
            ) from None  # it may repeat a setting
        if error is not None:
            raise error
        return result

    @staticmethod
    def _pieces(
        wanted: TopicSlice, sources: dict[int, Iterator[list[Message]]]
    ) -> Iterator[list[Message]]:
        """Draws from the partitions in turn."""
        ordered = Ordered(wanted)
        while not ordered.done:
            for partition, source in sources.items():
                if not ordered.complete(partition):
                    _draw(source, partition, ordered, wanted)
            while messages := ordered.take():
                yield messages


def _draw(
    source: Iterator[list[Message]], partition: int, ordered: Ordered, wanted: TopicSlice
) -> None:
    messages = next(source, None)
    if messages is None:
        raise ReaderUnsupported(
            f"expected {wanted}, tensorflow-io ended partition {partition} before its offset "
            f"{ordered.next_offset(partition)}; {CURE}"
        )
    for message in messages:
        ordered.push(partition, ordered.next_offset(partition), message)


def _messages(piece: Any, where: str, span: _Span) -> list[Message]:
    values, keys = (tensor.numpy() for tensor in piece)
    if len(values) != span.stop - span.start:
        raise ReaderUnsupported(
            f"expected {span.stop - span.start} records from offset {span.start} of {where}, "
            f"tensorflow-io returned {len(values)}; {CURE}"
        )
    messages = [(key or None, value) for key, value in zip(keys, values, strict=True)]
    return messages[span.skip : span.skip + span.keep]


def _check_sayable(settings: Mapping[str, str]) -> None:
    """tensorflow-io takes `name=value`, and passes over what holds `conf.` without a word.

    Raises:
        ReaderUnsupported: A setting cannot be said so; its value is not shown.
    """
    for mark in ("=", "conf."):
        bad = sorted(name for name, value in settings.items() if mark in value)
        if bad:
            raise ReaderUnsupported(
                f"expected settings without {mark!r}, which tensorflow-io does not take, received "
                f"one in {', '.join(bad)}; {CURE}"
            )


def _operations() -> Any:
    try:
        return importlib.import_module("tensorflow_io.python.ops").core_ops
    except ImportError as error:
        raise not_there() from error


def _spans(
    topic: str, partition: int, wanted: tuple[int, int], held: tuple[int, int]
) -> Iterator[_Span]:
    """Reads that cover the wanted offsets, none of a single record.

    Raises:
        ReaderUnsupported: The partition holds a single record, so no read of two is possible.
    """
    start, end = wanted
    if end - start == 1:
        low, high = held
        if high - low < 2:
            raise ReaderUnsupported(
                f"expected more than one record in partition {partition} of {topic}, since "
                f"tensorflow-io returns nothing for a single one; {CURE}"
            )
        before = 1 if start > low else 0
        yield _Span(start - before, start - before + 2, skip=before, keep=1)
        return
    while start < end:
        count = min(_PIECE, end - start)
        if end - start - count == 1:
            count -= 1  # leaves two for the last read
        yield _Span(start, start + count, skip=0, keep=count)
        start += count
