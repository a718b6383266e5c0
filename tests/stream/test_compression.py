"""A compressed log holds the same messages at the same offsets, for both readers."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from stream_messages import events, new_topic, pieces, same

from susystream.errors import PublishError, SettingsError
from susystream.schema import EventBatch, concatenate
from susystream.settings import StreamSettings
from susystream.stream.codec import BlockCodec, Codec, CsvCodec
from susystream.stream.connection import KafkaConnection
from susystream.stream.consumer import KafkaReader
from susystream.stream.producer import COMPRESSIONS, Publication, end_of, publish
from susystream.stream.resuming import held_of
from susystream.stream.slices import ContentDigest, TopicSlice
from susystream.stream.tfio_reader import TfioReader
from susystream.stream.topics import ensure_topic, watermarks

KINDS = {"none": 0, "gzip": 1, "lz4": 3, "zstd": 4}  # Kafka's numbers of them
EACH = pytest.mark.parametrize("kind", KINDS)
CODECS = pytest.mark.parametrize("codec", [BlockCodec(10), CsvCodec()], ids=lambda one: one.name)
_ATTRIBUTES = 22  # the byte of a batch in Kafka's log whose lowest three bits say which it is


def rounded(rows: int) -> EventBatch:
    """Values that repeat: a client leaves what does not shrink as it is."""
    batch = events(rows)
    return EventBatch(batch.numbers, np.round(batch.features, 1), batch.labels)


def write(
    broker: str,
    batch: EventBatch,
    codec: Codec,
    kind: str,
    *,
    topic: str = "",
    held: TopicSlice | None = None,
) -> Publication:
    return publish(
        pieces(batch),
        connection=KafkaConnection(broker),
        topic=topic or new_topic(),
        codec=codec,
        partitions=2,
        progress=lambda _: None,
        compression=kind,
        held=held,
    )


def kinds_on_disk(home: Path, topic: str) -> set[int]:
    """How the first batch of each partition is compressed."""
    logs = [
        path for path in home.rglob("*.log") if path.parent.name in {f"{topic}-0", f"{topic}-1"}
    ]
    assert len(logs) == 2
    return {path.read_bytes()[_ATTRIBUTES] & 7 for path in logs}


@EACH
@CODECS
def test_both_readers_read_what_is_compressed_bit_for_bit(
    broker: str, services_home: Path, codec: Codec, kind: str
) -> None:
    batch, connection = rounded(3000), KafkaConnection(broker)
    publication = write(broker, batch, codec, kind)
    assert kinds_on_disk(services_home, publication.slice.topic) == {KINDS[kind]}
    assert publication.digest == ContentDigest().update(batch)
    for reader in (KafkaReader(connection, codec, 10.0), TfioReader(connection, codec)):
        assert same(concatenate(list(reader.batches(publication.slice))), batch), reader


@CODECS
def test_offsets_and_count_of_bytes_do_not_depend_on_compression(broker: str, codec: Codec) -> None:
    found = [write(broker, rounded(500), codec, kind) for kind in KINDS]
    assert len({(one.slice.ranges, one.bytes, one.digest) for one in found}) == 1


def test_one_slice_may_be_compressed_in_every_way(broker: str) -> None:
    """As the attempts of a publication that was killed: each goes on where the last one was."""
    batch, codec, topic = rounded(4000), BlockCodec(10), new_topic()
    connection = KafkaConnection(broker)
    ensure_topic(connection, topic, 2)
    begin = end_of(topic, watermarks(connection, topic))
    for number, kind in enumerate(KINDS, 1):
        held = held_of(begin, pieces(batch), connection=connection, codec=codec)
        assert held is not None
        assert held.messages == 100 * (number - 1)
        publication = write(broker, batch[: 1000 * number], codec, kind, topic=topic, held=held)
    assert publication.slice.messages == 400
    for reader in (KafkaReader(connection, codec, 10.0), TfioReader(connection, codec)):
        assert same(concatenate(list(reader.batches(publication.slice))), batch)


@EACH
def test_a_message_beyond_a_request_is_refused_however_well_it_shrinks(
    broker: str, kind: str
) -> None:
    batch = events(150_000)
    zeros = EventBatch(batch.numbers, np.zeros_like(batch.features), batch.labels)
    with pytest.raises(PublishError, match="expected 1 messages to be acknowledged, received 0"):
        publish(
            [zeros],
            connection=KafkaConnection(broker),
            topic=new_topic(),
            codec=BlockCodec(150_000),
            partitions=1,
            progress=lambda _: None,
            compression=kind,
        )


@EACH
def test_messages_that_do_not_shrink_are_published_too(broker: str, kind: str) -> None:
    """Blocks of 0.7 MB whose bits are random: nothing for a compression to find."""
    random = np.random.default_rng(1)
    bits = random.integers(0, 2**31, (50_000, 18), np.uint32) & 0xBFFFFFFF  # finite, any mantissa
    batch = EventBatch(np.arange(50_000), bits.view(np.float32), events(50_000).labels)
    publication = write(broker, batch, BlockCodec(10_000), kind)
    reader = KafkaReader(KafkaConnection(broker), BlockCodec(10_000), 10.0)
    assert same(concatenate(list(reader.batches(publication.slice))), batch)


def test_every_compression_can_be_set() -> None:
    assert get_args(StreamSettings.model_fields["compression"].annotation) == COMPRESSIONS


def test_an_unknown_compression_is_one_line(broker: str) -> None:
    with pytest.raises(SettingsError, match="gzip, lz4, zstd, received brotli; correct it"):
        write(broker, events(10), CsvCodec(), "brotli")
