"""How a message holds its events, byte by byte, for readers who have none of our code.

In: a codec. Out: the fields of its messages and the columns of an event, as data with a JSON form.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from susystream.schema import COLUMNS, FEATURES, LABEL, LABEL_MEANINGS, LOW_LEVEL, MEANINGS
from susystream.stream.codec import HEADER, Codec

VERSION = 1  # of both codecs


class Part(BaseModel):
    """Immutable; from outside, so nothing unknown is passed over."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ValueField(Part):
    """Some of a message's bytes, which follow those of the field before.

    Attributes:
        name: By which others refer to it.
        type: A letter of Python's `struct`, or `decimal` for text.
        count: Names of fields before it, whose product says how many there are; none: one.
        when: The name of a field before it; it is there only if that is not 0.
        meaning: For a person.
    """

    name: str
    type: str
    count: tuple[str, ...] = ()
    when: str | None = None
    meaning: str


class CodecForm(Part):
    """How events become messages.

    Attributes:
        packing: Of the fields of a value.
    """

    name: str
    version: int
    events_per_message: Annotated[int, Field(gt=0)]
    key: str
    packing: str
    value: tuple[ValueField, ...]


class Feature(Part):
    """A column of an event."""

    name: str
    type: str
    kind: Literal["low-level", "high-level"]
    description: str


class Label(Part):
    """The class of an event."""

    name: str
    type: str
    meaning: dict[str, str]


class EventForm(Part):
    """What an event is."""

    number: str
    features: tuple[Feature, ...]
    label: Label


EVENT = EventForm(
    number="int64, unique within a data set",
    features=tuple(
        Feature(
            name=name,
            type="float32",
            kind="low-level" if name in LOW_LEVEL else "high-level",
            description=MEANINGS[name],
        )
        for name in FEATURES
    ),
    label=Label(
        name=LABEL,
        type="uint8",
        meaning={str(value): meaning for value, meaning in LABEL_MEANINGS.items()},
    ),
)
_HEADER_MEANINGS = {
    "magic": "the text SUSY",
    "version": "of this layout",
    "flags": "1: each event's number is stored; 0: they count up from the first",
    "features": "columns of an event",
    "events": "in this message",
    "first": "number of the first event",
    "crc": "CRC-32C of the whole value with these four bytes as zeros",
}


def form_of(codec: Codec) -> CodecForm:
    """How a codec's messages hold events."""
    layout: dict[str, Any] = _BLOCK if codec.name == "block" else _CSV
    return CodecForm(
        name=codec.name, version=VERSION, events_per_message=codec.events_per_message, **layout
    )


_BLOCK = {
    "key": "the first event's number as decimal text",
    "packing": "binary, little-endian, without gaps",
    "value": (
        *(
            ValueField(name=name, type=kind, meaning=_HEADER_MEANINGS[name])
            for name, kind in HEADER.items()
        ),
        ValueField(
            name="numbers", type="q", count=("events",), when="flags", meaning="of the events"
        ),
        ValueField(
            name="values", type="f", count=("events", "features"), meaning="event after event"
        ),
        ValueField(name="labels", type="B", count=("events",), meaning="of the events"),
    ),
}
_CSV = {
    "key": "the event's number as decimal text",
    "packing": "text, ASCII, separated by commas, without a line's end",
    "value": tuple(
        ValueField(name=name, type="decimal", meaning=MEANINGS.get(name, "class of the event"))
        for name in COLUMNS
    ),
}
