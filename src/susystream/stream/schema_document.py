"""What the messages on a topic are, as a document by which anyone can decode them.

In: a codec and where its messages begin, or what stands on `<topic>.schema`. Out: a checked
`SchemaDocument`, whose JSON names every byte of a message and every column of an event.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from susystream.errors import BadMessage, SettingsError
from susystream.schema import FEATURES
from susystream.stream.codec import Codec, codec_named
from susystream.stream.layout import EVENT, VERSION, CodecForm, EventForm, Part, form_of
from susystream.stream.slices import TopicSlice

SUFFIX = ".schema"
_Offset = Annotated[int, Field(ge=0)]


class _Begin(BaseModel):
    """What documents of every version say: where they hold."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    schema_version: int
    topic_id: str | None
    begins: dict[_Offset, _Offset] = Field(alias="from")

    def holds(self, partition: int, offset: int, topic_id: str | None) -> bool:
        """Whether it was written for this topic, and not behind the offset."""
        same = self.topic_id == topic_id or None in (self.topic_id, topic_id)
        return same and partition in self.begins and self.begins[partition] <= offset


class SchemaDocument(Part):
    """The form of the messages of a topic from some offsets on.

    Attributes:
        topic_id: Of the topic; one that was made anew under its name has another.
        begins: In JSON `from`: {partition: the first offset of this form}.
    """

    model_config = ConfigDict(populate_by_name=True)
    schema_version: Literal[1] = 1
    topic: str
    topic_id: str | None
    begins: dict[_Offset, _Offset] = Field(alias="from")
    codec: CodecForm
    event: EventForm

    def to_json(self) -> str:
        """One line, keys in order of the form."""
        return self.model_dump_json(by_alias=True)

    def says(self, codec: Codec) -> bool:
        """Whether messages of the codec are of this form."""
        return (self.codec, self.event) == (form_of(codec), EVENT)


def schema_of(codec: Codec, begin: TopicSlice, topic_id: str | None) -> SchemaDocument:
    """The document of messages that begin where a slice begins."""
    return SchemaDocument(
        topic=begin.topic,
        topic_id=topic_id,
        begins={partition: start for partition, start, _ in begin.ranges},
        codec=form_of(codec),
        event=EVENT,
    )


def parsed(text: bytes) -> SchemaDocument:
    """The document a message holds.

    Raises:
        BadMessage: It is none of a version and form known here.
    """
    try:
        return SchemaDocument.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "text"
        raise BadMessage(
            f"expected a schema document of version 1, received {text[:60]!r}… with {place}: "
            f"{first['msg']}; use the version of susystream that wrote it"
        ) from None


def in_force(
    texts: Sequence[bytes], partition: int, offset: int, topic_id: str | None
) -> SchemaDocument | None:
    """The last document that holds at an offset, of all that were written, in their order.

    Raises:
        BadMessage: It cannot be read, or no one can tell where one behind it holds.
    """
    for text in reversed(texts):
        begin = _begin_of(text)
        if begin is None or begin.holds(partition, offset, topic_id):
            return parsed(text)  # raises if there is no telling where it holds
    return None


def _begin_of(text: bytes) -> _Begin | None:
    try:
        return _Begin.model_validate_json(text)
    except ValidationError:
        return None


def codec_of(texts: Sequence[bytes], wanted: TopicSlice, topic_id: str | None) -> Codec | None:
    """The codec of a slice's messages, or None if no document holds at each of its starts.

    Raises:
        BadMessage: A document that holds there cannot be read, or names a form not known here.
        SettingsError: The form changes within the slice.
    """
    found = [
        in_force(texts, partition, offset, topic_id)
        for partition, start, end in wanted.ranges
        for offset in _changes(texts, partition, start, end)
    ]
    documents = [one for one in found if one is not None]
    return _one_of(documents, wanted) if found and len(documents) == len(found) else None


def _changes(texts: Sequence[bytes], partition: int, start: int, end: int) -> list[int]:
    """The offsets of a span at which the form may be another: its start is one."""
    begins = (begin.begins.get(partition, end) for begin in map(_begin_of, texts) if begin)
    return sorted({start, *(offset for offset in begins if start < offset < end)} - {end})


def _one_of(documents: Sequence[SchemaDocument], wanted: TopicSlice) -> Codec:
    codecs = [_known(document) for document in documents]
    names = sorted({codec.name for codec in codecs})
    if len(names) > 1:
        raise SettingsError(
            f"expected {wanted} to be of one form, received {' and '.join(names)} by "
            f"{wanted.topic}{SUFFIX}; read each with a slice of its own"
        )
    return max(codecs, key=lambda codec: codec.events_per_message)


def _known(document: SchemaDocument) -> Codec:
    """The codec of a document, if it decodes just what the document describes."""
    form, features = document.codec, tuple(one.name for one in document.event.features)
    try:
        codec = codec_named(form.name, events_per_message=form.events_per_message)
    except SettingsError:
        codec = None
    if codec is None or form.version != VERSION or features != FEATURES:
        raise BadMessage(
            f"expected codec block or csv of version {VERSION} with {len(FEATURES)} features, "
            f"{document.topic}{SUFFIX} names {form.name} of version {form.version} with "
            f"{len(features)}; use the version of susystream that wrote it"
        )
    return codec
