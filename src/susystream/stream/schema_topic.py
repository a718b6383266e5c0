"""The topic `<topic>.schema`: a document each time the form of the messages on `<topic>` changes.

In: a codec and where its messages begin, or offsets. Out: a document written, or the codec that
holds there. Kafka's names for the same idea are subjects of a schema registry; this needs none.
"""

from __future__ import annotations

import logging

from kafka import KafkaProducer

from susystream.errors import BadMessage
from susystream.stream.codec import BlockCodec, Codec
from susystream.stream.connection import KafkaConnection, broker_errors
from susystream.stream.consumer import KafkaReader
from susystream.stream.producer import close_within
from susystream.stream.schema_document import SUFFIX, SchemaDocument, codec_of, in_force, schema_of
from susystream.stream.slices import TopicSlice
from susystream.stream.topics import ensure_topic, is_there, topic_id, watermarks

_log = logging.getLogger(__name__)


def texts_of(connection: KafkaConnection, topic: str) -> list[bytes]:
    """All documents of a topic as they stand, in order; none if none was ever written.

    Raises:
        StreamError: They cannot be read.
    """
    name = topic + SUFFIX
    if not is_there(connection, name):
        return []
    whole = TopicSlice(name, tuple((p, *held) for p, held in watermarks(connection, name).items()))
    reader = KafkaReader(connection, BlockCodec())  # of messages alone: nothing is decoded
    return [value for messages in reader.messages(whole) for _, value in messages]


def state_form(connection: KafkaConnection, begin: TopicSlice, codec: Codec) -> bool:
    """Writes what messages will be from where `begin` begins, unless that is said already.

    Killed behind it, a publication leaves a document about no message: the next one with the same
    beginning takes its place.

    Returns:
        Whether it wrote.

    Raises:
        StreamError: The topic is not there, or the broker did not take the document.
    """
    identity = topic_id(connection, begin.topic)
    if _is_said(texts_of(connection, begin.topic), begin, identity, codec):
        return False
    if note := ensure_topic(connection, begin.topic + SUFFIX, 1):
        _log.warning(note)
    _write(connection, schema_of(codec, begin, identity))
    return True


def codec_at(connection: KafkaConnection, wanted: TopicSlice) -> Codec | None:
    """The codec that the topic itself names for a slice; None if it names none.

    Raises:
        BadMessage: A document that holds there is of a form not known here.
        SettingsError: The form changes within the slice.
        StreamError: There is no such topic, or its documents cannot be read.
    """
    identity = topic_id(connection, wanted.topic)
    return codec_of(texts_of(connection, wanted.topic), wanted, identity)


def _is_said(texts: list[bytes], begin: TopicSlice, identity: str | None, codec: Codec) -> bool:
    try:
        found = [in_force(texts, p, start, identity) for p, start, _ in begin.ranges]
    except BadMessage:
        return False  # what we cannot read does not say it for readers like us
    return all(document is not None and document.says(codec) for document in found)


def _write(connection: KafkaConnection, document: SchemaDocument) -> None:
    with broker_errors(connection):
        producer = KafkaProducer(
            **connection.client_settings(),
            enable_idempotence=True,
            acks="all",
            max_block_ms=int(connection.timeout_seconds * 1000),
            allow_auto_create_topics=False,
        )
        try:
            text = document.to_json().encode()
            sent = producer.send(document.topic + SUFFIX, key=document.topic.encode(), value=text)
            sent.get(timeout=connection.timeout_seconds)
        finally:
            close_within(producer, 0.0)  # acknowledged, or given up
