"""How events become messages and back.

In: event batches, or keys and values of messages. Out: the other. Both codecs are exact: every
float32 and every event number comes back bit for bit.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl
from crc32c import crc32c

from susystream.errors import BadMessage, DataError, SettingsError
from susystream.schema import COLUMNS, FEATURES, EventBatch, Int64Array, concatenate

Message = tuple[bytes | None, bytes]
"""Key and value, as they come from the log."""


class Codec(Protocol):
    """A form of messages."""

    @property
    def name(self) -> str:
        """As in `stream.codec.name`."""

    @property
    def events_per_message(self) -> int:
        """At most so many."""

    def encode(self, batch: EventBatch) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of the messages that hold a batch, in order."""

    def decode(self, key: bytes | None, value: bytes) -> EventBatch:
        """The events of one message.

        Raises:
            BadMessage: It is not of this form, or damaged.
        """

    def decode_many(self, messages: Sequence[Message]) -> EventBatch:
        """The events of some messages, in order; fast where `decode` is slow.

        Raises:
            BadMessage: One of them is not of this form, or damaged.
        """


def codec_named(name: str, *, events_per_message: int = 1000) -> Codec:
    """The codec a data set names.

    Raises:
        SettingsError: There is no such codec.
    """
    match name:
        case "block":
            return BlockCodec(events_per_message)
        case "csv":
            return CsvCodec()
    raise SettingsError(f"expected codec block or csv, received {name!r}")


HEADER = {  # of a block: its fields in order, and their types by the letters of `struct`
    "magic": "4s",
    "version": "B",
    "flags": "B",
    "features": "H",
    "events": "I",
    "first": "q",  # number of the first event
    "crc": "I",
}
_HEADER = struct.Struct("<" + "".join(HEADER.values()))
MAGIC = b"SUSY"
_VERSION = 1
_NUMBERED = 1  # flag: event numbers are stored one by one, because they do not just count up


@dataclass(frozen=True, slots=True)
class BlockCodec:
    """Many events a message: header, [numbers], float32 features, uint8 labels; little-endian.

    The CRC-32C covers all but itself. The key is the first event's number.

    Attributes:
        events_per_message: At most so many.
    """

    events_per_message: int = 1000

    def __post_init__(self) -> None:
        if self.events_per_message < 1:
            raise SettingsError(
                "expected stream.codec.events_per_message of at least 1, received "
                f"{self.events_per_message}; correct it"
            )

    @property
    def name(self) -> str:
        """As in `stream.codec.name`."""
        return "block"

    def encode(self, batch: EventBatch) -> Iterator[tuple[bytes, bytes]]:
        """One message for each `events_per_message` events."""
        for start in range(0, len(batch), self.events_per_message):
            yield _encode_block(batch[start : start + self.events_per_message])

    def decode(self, key: bytes | None, value: bytes) -> EventBatch:
        """The events of one block; its arrays are views of `value`."""
        return _decode_block(key, value)

    def decode_many(self, messages: Sequence[Message]) -> EventBatch:
        """The events of some blocks."""
        return concatenate([_decode_block(key, value) for key, value in messages])


def _encode_block(batch: EventBatch) -> tuple[bytes, bytes]:
    count, first = len(batch), int(batch.numbers[0])
    # differences modulo 2**64, as is the sum when decoding: exact for all int64
    counting = bool((batch.numbers - batch.numbers[0] == np.arange(count)).all())
    body = b"" if counting else batch.numbers.astype("<i8").tobytes()
    body += batch.features.astype("<f4", copy=False).tobytes() + batch.labels.tobytes()
    flags = 0 if counting else _NUMBERED
    head = (MAGIC, _VERSION, flags, len(FEATURES), count, first)
    return str(first).encode(), _HEADER.pack(*head, _checksum(head, body)) + body


def _checksum(head: tuple[bytes, int, int, int, int, int], body: bytes | memoryview) -> int:
    return int(crc32c(body, crc32c(_HEADER.pack(*head, 0))))


def _decode_block(key: bytes | None, value: bytes) -> EventBatch:
    flags, count, first = _checked_header(value)
    if key not in (None, str(first).encode()):
        raise BadMessage(f"expected key {first} of a block, received {key!r}")
    events = memoryview(value)[_HEADER.size :]
    numbered, labelled = (8 * count if flags else 0), len(events) - count
    if flags:
        numbers = np.frombuffer(events[:numbered], "<i8").astype(np.int64, copy=False)
    else:
        numbers = np.int64(first) + np.arange(count, dtype=np.int64)
    features = np.frombuffer(events[numbered:labelled], "<f4").astype(np.float32, copy=False)
    labels = np.frombuffer(events[labelled:], np.uint8)
    return _good(EventBatch(numbers, features.reshape(count, len(FEATURES)), labels))


def _checked_header(value: bytes) -> tuple[int, int, int]:
    """Flags, count and first number of a block whose form, length and checksum are right."""
    if len(value) < _HEADER.size:
        raise BadMessage(
            f"expected a block of at least {_HEADER.size} bytes, received {len(value)}"
        )
    magic, version, flags, features, count, first, crc = _HEADER.unpack_from(value)
    if (magic, version, features) != (MAGIC, _VERSION, len(FEATURES)) or flags > _NUMBERED:
        raise BadMessage(
            f"expected a block of version {_VERSION} with {len(FEATURES)} features, received "
            f"magic {magic!r}, version {version}, {features} features, flags {flags}"
        )
    length = _HEADER.size + count * (4 * len(FEATURES) + 1 + (8 if flags else 0))
    if len(value) != length or not count:
        raise BadMessage(f"expected {length} bytes for {count} events, received {len(value)}")
    head = (magic, version, flags, features, count, first)
    if (received := _checksum(head, memoryview(value)[_HEADER.size :])) != crc:
        raise BadMessage(
            f"expected CRC-32C {crc:08x} of a block of {count} events from number {first}, "
            f"received {received:08x}; the message is damaged"
        )
    return flags, count, first


@dataclass(frozen=True, slots=True)
class CsvCodec:
    """The report's format: one event a message, `label,feature,...` as text.

    The key is the event's number (the report's was the label, which sends each class to one
    partition). Text is the shortest that gives the same float32 back.
    """

    @property
    def name(self) -> str:
        """As in `stream.codec.name`."""
        return "csv"

    @property
    def events_per_message(self) -> int:
        """One."""
        return 1

    def encode(self, batch: EventBatch) -> Iterator[tuple[bytes, bytes]]:
        """One message an event."""
        frame = pl.DataFrame(batch.features, schema=list(FEATURES), orient="row")
        frame.insert_column(0, pl.Series(COLUMNS[0], batch.labels))
        text = frame.write_csv(include_header=False).encode()
        for number, line in zip(batch.numbers.tolist(), text.splitlines(), strict=True):
            yield str(number).encode(), line

    def decode(self, key: bytes | None, value: bytes) -> EventBatch:
        """The event of one line."""
        return self.decode_many([(key, value)])

    def decode_many(self, messages: Sequence[Message]) -> EventBatch:
        """The events of some lines, parsed at once."""
        if not messages:
            return concatenate([])
        numbers = _numbers([key for key, _ in messages])
        frame = _parse([value for _, value in messages])
        features = np.ascontiguousarray(frame.select(FEATURES).to_numpy(), np.float32)
        return _good(EventBatch(numbers, features, frame[COLUMNS[0]].to_numpy()))


def _numbers(keys: list[bytes | None]) -> Int64Array:
    try:
        numbers = [int(key or b"") for key in keys]
        array = np.array(numbers, np.int64)
    except (ValueError, OverflowError) as error:
        raise BadMessage(f"expected int64 event numbers as keys, received {error}") from error
    for key, number in zip(keys, numbers, strict=True):
        if key != b"%d" % number:  # int() also takes blanks, signs and underscores
            raise BadMessage(f"expected an event number as key, received {key!r}")
    return array


def _parse(lines: list[bytes]) -> pl.DataFrame:
    schema = dict.fromkeys(COLUMNS, pl.Float32) | {COLUMNS[0]: pl.UInt8}
    text = b"\n".join(lines)
    if text.count(b"\n") == len(lines) - 1:  # or a line within a value could stand for another
        try:
            frame = pl.read_csv(text, has_header=False, schema=schema, quote_char=None)
        except pl.exceptions.PolarsError:
            frame = pl.DataFrame()
        if frame.height == len(lines) and not any(frame.null_count().row(0)):
            return frame
    raise BadMessage(_first_bad(lines))


def _first_bad(lines: list[bytes]) -> str:
    """What is wrong, found line by line: slow, but asked only after the fast way failed."""
    for line in lines:
        fields = line.split(b",")
        if len(fields) != len(COLUMNS) or b"\n" in line:
            return f"expected one line of {len(COLUMNS)} numbers, received {line[:80]!r}"
        for column, field in zip(COLUMNS, fields, strict=True):
            expected = "0 or 1" if column == COLUMNS[0] else "a number"
            if not (field in (b"0", b"1") if column == COLUMNS[0] else _is_number(field)):
                return f"expected {expected} in column {column}, received {field[:80]!r}"
    return f"expected {len(lines)} lines of {len(COLUMNS)} numbers, received another form"


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _good(batch: EventBatch) -> EventBatch:
    try:
        return batch.checked()
    except DataError as error:
        raise BadMessage(str(error)) from error
