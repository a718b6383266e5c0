"""Reading slices from a real broker: exactly, or not at all."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from stream_messages import append, events, new_topic, published, same, send

from susystream.errors import (
    BadMessage,
    BrokerUnavailable,
    SliceTruncated,
    StreamError,
    StreamStalled,
)
from susystream.schema import EventBatch, concatenate
from susystream.services.broker import embedded_broker
from susystream.stream.codec import BlockCodec, Codec, CsvCodec
from susystream.stream.connection import KafkaConnection
from susystream.stream.consumer import KafkaReader
from susystream.stream.slices import TopicSlice
from susystream.stream.topics import ensure_topic

CODECS = pytest.mark.parametrize("codec", [BlockCodec(10), CsvCodec()], ids=lambda c: c.name)


def read(connection: KafkaConnection, codec: Codec, wanted: TopicSlice) -> EventBatch:
    return concatenate(list(KafkaReader(connection, codec, 5.0).batches(wanted)))


@CODECS
@pytest.mark.parametrize("partitions", [1, 3])
def test_what_is_published_comes_back_in_order_bit_for_bit(
    broker: str, codec: Codec, partitions: int
) -> None:
    connection, batch = KafkaConnection(broker), events(2345)
    publication = published(connection, batch, codec=codec, partitions=partitions)
    assert same(read(connection, codec, publication.slice), batch)


def test_a_slice_ends_where_it_ends_though_the_log_goes_on(broker: str) -> None:
    connection, codec, topic = KafkaConnection(broker), BlockCodec(10), new_topic()
    first = published(connection, events(500), codec=codec, topic=topic)
    second = published(connection, events(500, start=500), codec=codec, topic=topic)
    assert same(read(connection, codec, first.slice), events(500))
    assert same(read(connection, codec, second.slice), events(500, start=500))


@CODECS
def test_head_and_tail_of_a_split_are_the_whole(broker: str, codec: Codec) -> None:
    connection, batch = KafkaConnection(broker), events(777)
    head, tail = published(connection, batch, codec=codec).slice.split(0.1)
    parts = [read(connection, codec, head), read(connection, codec, tail)]
    assert sorted(concatenate(parts).numbers.tolist()) == batch.numbers.tolist()


def test_an_empty_slice_has_no_events(broker: str) -> None:
    connection = KafkaConnection(broker)
    topic = send(connection, [(0, b"", b"")])
    assert len(read(connection, CsvCodec(), TopicSlice(topic, ((0, 1, 1),)))) == 0


def test_partitions_that_run_ahead_wait_and_nothing_is_lost(broker: str) -> None:
    """One partition of large messages, one of small, and hardly any room for either."""
    connection, codec = KafkaConnection(broker), BlockCodec(2000)
    sizes = [2000 if i % 2 == 0 else 1 for i in range(600)]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    whole = events(sum(sizes))
    messages = []
    for i, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        ((key, value),) = codec.encode(whole[start : start + size])
        messages.append((i % 2, key, value))
    topic = send(connection, messages, partitions=2)
    reader = KafkaReader(connection, codec, stall_seconds=10.0, ahead_bytes=10_000)
    wanted = TopicSlice(topic, ((0, 0, 300), (1, 0, 300)))
    assert same(concatenate(list(reader.batches(wanted))), whole)


def test_a_damaged_message_is_named_by_its_place(broker: str) -> None:
    connection, codec = KafkaConnection(broker), CsvCodec()
    good = [(0, key, value) for key, value in codec.encode(events(20))]
    topic = send(connection, [*good[:7], (0, b"7", b"1,2,3"), *good[8:]])
    with pytest.raises(BadMessage, match=f"topic {topic}, partition 0, offset 7: .*b'1,2,3'"):
        read(connection, codec, TopicSlice(topic, ((0, 0, 20),)))


def test_offsets_the_log_never_had_are_refused(broker: str) -> None:
    connection = KafkaConnection(broker)
    topic = send(connection, [(0, b"", b"")] * 3)
    with pytest.raises(SliceTruncated, match=r"\[0, 5\).*holds \[0, 3\)"):
        read(connection, CsvCodec(), TopicSlice(topic, ((0, 0, 5),)))
    with pytest.raises(SliceTruncated):
        read(connection, CsvCodec(), TopicSlice(topic, ((7, 0, 1),)))


def test_a_log_start_that_moved_is_refused(broker: str) -> None:
    connection, codec = KafkaConnection(broker), BlockCodec(10)
    publication = published(connection, events(100), codec=codec, partitions=1)
    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.delete_records({TopicPartition(publication.slice.topic, 0): 4})
    admin.close()
    with pytest.raises(SliceTruncated, match=r"expected offsets \[0, 10\).*holds \[4, 10\)"):
        read(connection, codec, publication.slice)


@pytest.mark.parametrize("end", [4, 5, 6])
def test_a_transaction_marker_within_the_slice_is_a_gap(broker: str, end: int) -> None:
    connection, codec, topic = KafkaConnection(broker), CsvCodec(), new_topic()
    ensure_topic(connection, topic, 1)
    messages = list(codec.encode(events(5)))
    producer = KafkaProducer(bootstrap_servers=broker, transactional_id=topic)
    producer.init_transactions()
    producer.begin_transaction()
    for key, value in messages[:3]:
        producer.send(topic, key=key, value=value, partition=0)
    producer.commit_transaction()  # offset 3 is the marker
    producer.close(timeout=5)
    append(connection, topic, [(0, key, value) for key, value in messages[3:]])
    assert same(read(connection, codec, TopicSlice(topic, ((0, 0, 3),))), events(5)[:3])
    with pytest.raises(SliceTruncated, match=r"expected offset 3 .* received 4"):
        read(connection, codec, TopicSlice(topic, ((0, 0, end),)))


def test_an_unknown_topic_is_named(broker: str) -> None:
    with pytest.raises(StreamError, match="expected topic nowhere-at-all"):
        read(KafkaConnection(broker), CsvCodec(), TopicSlice("nowhere-at-all", ((0, 0, 1),)))


def test_no_broker_is_said_at_once() -> None:
    with pytest.raises(BrokerUnavailable):
        read(KafkaConnection("127.0.0.1:1"), CsvCodec(), TopicSlice("t", ((0, 0, 1),)))


def test_a_broker_that_falls_silent_stalls_the_read(tmp_path: Path) -> None:
    with embedded_broker(tmp_path) as own:
        connection, codec = KafkaConnection(own, timeout_seconds=3.0), BlockCodec(1000)
        publication = published(connection, events(600_000), codec=codec, partitions=1)
        reader = KafkaReader(connection, codec, stall_seconds=2.0).batches(publication.slice)
        next(reader)
        state = json.loads((tmp_path / "kafka" / "state.json").read_text())
        os.kill(state["server_pid"], signal.SIGSTOP)
        try:
            started = time.monotonic()
            with pytest.raises(StreamStalled, match="received none for 2 s"):
                list(reader)
            assert time.monotonic() - started < 15
        finally:
            os.kill(state["server_pid"], signal.SIGCONT)
