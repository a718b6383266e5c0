"""tensorflow-io gives the same arrays as kafka-python, or refuses; never fewer rows."""

from __future__ import annotations

import sys
from itertools import combinations

import pytest
from stream_messages import append, events, published, same, send

from susystream.errors import ReaderUnsupported, SliceTruncated
from susystream.schema import EventBatch, concatenate
from susystream.stream.codec import BlockCodec, Codec, CsvCodec
from susystream.stream.connection import KafkaConnection
from susystream.stream.consumer import KafkaReader
from susystream.stream.slices import TopicSlice
from susystream.stream.tfio_reader import TfioReader

CODECS = pytest.mark.parametrize("codec", [BlockCodec(3), CsvCodec()], ids=lambda c: c.name)


def by_tfio(connection: KafkaConnection, codec: Codec, wanted: TopicSlice) -> EventBatch:
    return concatenate(list(TfioReader(connection, codec, 20.0).batches(wanted)))


def by_kafka(connection: KafkaConnection, codec: Codec, wanted: TopicSlice) -> EventBatch:
    return concatenate(list(KafkaReader(connection, codec, 10.0).batches(wanted)))


def written(connection: KafkaConnection, codec: Codec, sizes: list[int]) -> TopicSlice:
    """So many messages in each partition; numbers do not count up, so blocks carry them."""
    batch = events(3 * sum(sizes))
    rows = 3 if codec.name == "block" else 1
    messages, first = [], 0
    for partition, size in enumerate(sizes):
        part = batch[first : first + size * rows]
        first += size * rows
        messages += [(partition, key, value) for key, value in codec.encode(part)]
    topic = send(connection, messages, partitions=len(sizes))
    return TopicSlice(topic, tuple((p, 0, size) for p, size in enumerate(sizes)))


@CODECS
@pytest.mark.parametrize(
    "sizes", [[0, 2], [2], [1024], [4, 1025], [2048, 3], [2049, 2], [1023, 1026, 0], [3000, 2500]]
)
def test_both_readers_give_identical_arrays(broker: str, codec: Codec, sizes: list[int]) -> None:
    connection = KafkaConnection(broker)
    wanted = written(connection, codec, sizes)
    got = by_tfio(connection, codec, wanted)
    assert len(got) == sum(sizes) * (3 if codec.name == "block" else 1)
    assert same(got, by_kafka(connection, codec, wanted))


@CODECS
def test_a_partition_of_a_single_record_is_refused_before_any_event(
    broker: str, codec: Codec
) -> None:
    connection = KafkaConnection(broker)
    wanted = written(connection, codec, [4, 1])
    with pytest.raises(ReaderUnsupported, match=r"more than one record.*stream/reader=kafka"):
        next(TfioReader(connection, codec).batches(wanted))
    assert len(by_kafka(connection, codec, wanted)) > 0


@CODECS
@pytest.mark.parametrize("size", [2049, 2500])
def test_any_part_of_a_partition_is_read_exactly(broker: str, codec: Codec, size: int) -> None:
    connection = KafkaConnection(broker)
    topic = written(connection, codec, [size]).topic
    rows = 3 if codec.name == "block" else 1
    whole = by_kafka(connection, codec, TopicSlice(topic, ((0, 0, size),)))
    edges = sorted({0, 1, 2, 1023, 1024, 1025, 1026, 2047, 2048, 2049, size - 1, size})
    for start, end in combinations(edges, 2):
        wanted = TopicSlice(topic, ((0, start, end),))
        assert same(by_tfio(connection, codec, wanted), whole[start * rows : end * rows]), wanted


def test_two_reads_at_once_do_not_share_a_consumer(broker: str) -> None:
    """`from_kafka` opens all its consumers under one name, so they read each other's records."""
    connection, codec = KafkaConnection(broker), BlockCodec(3)
    wanted = [written(connection, codec, [3000, 2600]) for _ in range(2)]
    readers = [TfioReader(connection, codec).batches(each) for each in wanted]
    turns: list[list[EventBatch]] = [[], []]
    for first, second in zip(*readers, strict=True):
        turns[0].append(first)
        turns[1].append(second)
    for batches, each in zip(turns, wanted, strict=True):
        assert same(concatenate(batches), by_kafka(connection, codec, each))


def test_the_same_slice_can_be_read_again(broker: str) -> None:
    connection, codec = KafkaConnection(broker), BlockCodec(10)
    wanted = published(connection, events(500), codec=codec).slice
    assert same(by_tfio(connection, codec, wanted), by_tfio(connection, codec, wanted))


def test_both_parts_of_a_split_slice_are_read(broker: str) -> None:
    connection, codec = KafkaConnection(broker), BlockCodec(10)
    whole = published(connection, events(500), codec=codec).slice
    for part in whole.split(0.2):
        assert same(by_tfio(connection, codec, part), by_kafka(connection, codec, part))


def test_offsets_the_log_never_had_are_refused(broker: str) -> None:
    connection = KafkaConnection(broker)
    topic = send(connection, [(0, b"", b"")] * 3)
    with pytest.raises(SliceTruncated):
        by_tfio(connection, CsvCodec(), TopicSlice(topic, ((0, 0, 5),)))


def test_what_is_appended_later_is_not_read(broker: str) -> None:
    connection, codec = KafkaConnection(broker), CsvCodec()
    wanted = written(connection, codec, [5])
    append(connection, wanted.topic, [(0, b"9", b"not ours")] * 3)
    assert len(by_tfio(connection, codec, wanted)) == 5


def test_a_security_value_with_an_equals_sign_is_refused_without_showing_it(broker: str) -> None:
    connection = KafkaConnection(broker, security={"sasl.password": "hush=="})
    with pytest.raises(ReaderUnsupported, match=r"without '='.*sasl\.password") as caught:
        by_tfio(connection, CsvCodec(), TopicSlice("t", ((0, 0, 2),)))
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "security", "named"),
    [
        ("kafka.conf.example.org:9092", {}, "bootstrap.servers"),
        ("127.0.0.1:1", {"sasl.password": "hush.conf.hush"}, "sasl.password"),
    ],
)
def test_a_setting_that_tensorflow_io_would_pass_over_is_refused(
    address: str, security: dict[str, str], named: str
) -> None:
    reader = TfioReader(KafkaConnection(address, security=security), CsvCodec())
    with pytest.raises(ReaderUnsupported, match=rf"without 'conf\.'.*in {named}") as caught:
        next(reader.batches(TopicSlice("t", ((0, 0, 2),))))
    assert "hush" not in str(caught.value)


def test_without_tensorflow_io_the_extra_is_named(
    broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, codec = KafkaConnection(broker), CsvCodec()
    wanted = written(connection, codec, [2])
    monkeypatch.setitem(sys.modules, "tensorflow_io.python.ops", None)  # as if not installed
    with pytest.raises(ReaderUnsupported, match=r"package tensorflow-io .*\[tfio\]"):
        by_tfio(connection, codec, wanted)
