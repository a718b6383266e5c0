"""One suite over both readers: each gives exactly the slice, or refuses it; never other events."""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest
import tensorflow as tf
from kafka import KafkaAdminClient, TopicPartition
from own_broker import OwnBroker
from stream_messages import append, events, new_topic, published, same

from susystream.errors import (
    BrokerUnavailable,
    DigestMismatch,
    ReaderUnsupported,
    SliceTruncated,
    StreamStalled,
)
from susystream.schema import EventBatch, concatenate
from susystream.stream.codec import BlockCodec, Codec, CsvCodec
from susystream.stream.connection import KafkaConnection
from susystream.stream.consumer import KafkaReader
from susystream.stream.dataset import SliceDataset
from susystream.stream.slices import ContentDigest, TopicSlice
from susystream.stream.tfio_reader import TfioReader
from susystream.stream.topics import ensure_topic

MANY = 1_500_000  # 110 MB: librdkafka asks for 67 MB ahead of its reader
Made: TypeAlias = Callable[[KafkaConnection, Codec, float], KafkaReader | TfioReader]
READERS = pytest.mark.parametrize("made", [KafkaReader, TfioReader])
CODECS = pytest.mark.parametrize("codec", [BlockCodec(3), CsvCodec()], ids=lambda one: one.name)


def written(
    connection: KafkaConnection, codec: Codec, sizes: list[int]
) -> tuple[TopicSlice, EventBatch]:
    """So many messages in each partition, and the events in the slice's order."""
    rows = 3 if codec.name == "block" else 1
    whole = TopicSlice(new_topic(), tuple((p, 0, size) for p, size in enumerate(sizes)))
    batch = events(rows * sum(sizes))
    ensure_topic(connection, whole.topic, len(sizes))
    pieces = (batch[at : at + rows] for at in range(0, len(batch), rows))
    messages = (message for piece in pieces for message in codec.encode(piece))
    append(
        connection,
        whole.topic,
        [(p, *message) for (p, _), message in zip(whole.order(), messages, strict=True)],
    )
    return whole, batch


def read(reader: KafkaReader | TfioReader, wanted: TopicSlice) -> EventBatch:
    return concatenate(list(reader.batches(wanted)))


@READERS
@CODECS
@pytest.mark.parametrize(
    "sizes", [[0], [1], [1024], [1025], [2049], [0, 1024, 1025, 2049], [2049, 1, 1025], [0, 0]]
)
def test_a_slice_is_read_whole_or_refused_before_its_first_event(
    broker: str, made: Made, codec: Codec, sizes: list[int]
) -> None:
    connection = KafkaConnection(broker)
    wanted, batch = written(connection, codec, sizes)
    reader = made(connection, codec, 20.0)
    if made is TfioReader and 1 in sizes:
        with pytest.raises(ReaderUnsupported, match=r"more than one record.*stream/reader=kafka"):
            next(reader.batches(wanted))
    else:
        assert same(read(reader, wanted), batch)
        assert same(read(reader, wanted), batch)  # and again, as in each epoch


@READERS
@CODECS
def test_a_log_whose_first_messages_were_removed_is_refused(
    broker: str, made: Made, codec: Codec
) -> None:
    connection = KafkaConnection(broker)
    wanted, batch = written(connection, codec, [30, 30])
    remove(connection, wanted.topic, 1, 4)
    with pytest.raises(SliceTruncated, match=r"offsets \[0, 30\) .*partition 1.*holds \[4, 30\)"):
        next(made(connection, codec, 20.0).batches(wanted))
    left = TopicSlice(wanted.topic, ((0, 4, 30), (1, 4, 30)))
    rows = len(batch) // 60
    assert same(read(made(connection, codec, 20.0), left), batch[8 * rows :])


def remove(connection: KafkaConnection, topic: str, partition: int, before: int) -> None:
    """As retention does."""
    admin = KafkaAdminClient(bootstrap_servers=connection.bootstrap_servers)
    admin.delete_records({TopicPartition(topic, partition): before})
    admin.close()


@READERS
def test_messages_removed_within_a_read_are_never_passed_over(broker: str, made: Made) -> None:
    connection, codec = KafkaConnection(broker), BlockCodec(1000)
    publication = published(connection, events(MANY), codec=codec, partitions=1)
    batches = made(connection, codec, 5.0).batches(publication.slice)
    next(batches)
    remove(connection, publication.slice.topic, 0, MANY // 1000 - 5)
    with pytest.raises(SliceTruncated if made is KafkaReader else ReaderUnsupported) as caught:
        list(batches)
    assert "\n" not in str(caught.value)


@READERS
def test_other_events_than_expected_are_an_error_of_the_epoch(broker: str, made: Made) -> None:
    connection, codec = KafkaConnection(broker), BlockCodec(10)
    publication = published(connection, events(500), codec=codec)
    reader = made(connection, codec, 20.0)
    for expected, fits in ((events(500), True), (events(500, seed=1), False)):
        data = SliceDataset(
            lambda: reader.batches(publication.slice),
            rows=500,
            expected=ContentDigest().update(expected),
            features=(0, 1),
            batch_size=64,
            shuffle_window=100,
            seed=1,
        )
        if fits:
            assert sum(len(labels) for _, labels in data.dataset()) == 500
            continue
        with pytest.raises(tf.errors.OpError):
            list(data.dataset())
        assert isinstance(data.error, DigestMismatch)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    with OwnBroker(tmp_path_factory.mktemp("own")) as one:
        yield one
    gc.collect()  # here, not in the middle of another test


@READERS
def test_a_broker_that_falls_silent_stalls_the_read(own: OwnBroker, made: Made) -> None:
    connection, codec = KafkaConnection(own.address, timeout_seconds=3.0), BlockCodec(1000)
    publication = published(connection, events(MANY), codec=codec, partitions=1)
    batches = made(connection, codec, 2.0).batches(publication.slice)
    next(batches)
    assert own._process is not None
    os.kill(own._process.pid, signal.SIGSTOP)
    try:
        stopped = time.monotonic()
        with pytest.raises(StreamStalled, match=r"received none for 2 s; check the broker"):
            list(batches)
        assert time.monotonic() - stopped < 30
    finally:
        os.kill(own._process.pid, signal.SIGCONT)


@READERS
def test_no_broker_is_said_at_once(made: Made) -> None:
    with pytest.raises(BrokerUnavailable):
        next(
            made(KafkaConnection("127.0.0.1:1"), CsvCodec(), 5.0).batches(
                TopicSlice("t", ((0, 0, 2),))
            )
        )
