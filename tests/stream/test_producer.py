"""Publishing to a real broker: exactly once, exactly recorded."""

from __future__ import annotations

import gc
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from kafka import KafkaAdminClient
from stream_messages import append, events, new_topic, pieces, published

from susystream.errors import PublishError
from susystream.schema import EventBatch
from susystream.services.broker import embedded_broker
from susystream.stream.codec import BlockCodec, Codec, CsvCodec
from susystream.stream.connection import KafkaConnection
from susystream.stream.producer import publish
from susystream.stream.slices import ContentDigest
from susystream.stream.topics import ensure_topic, watermarks


@pytest.mark.parametrize("codec", [BlockCodec(100), CsvCodec()], ids=lambda codec: codec.name)
def test_the_slice_count_and_digest_are_those_of_the_events(broker: str, codec: Codec) -> None:
    connection, batch = KafkaConnection(broker), events(1234)
    publication = published(connection, batch, codec=codec, partitions=3)
    messages = [message for piece in pieces(batch) for message in codec.encode(piece)]
    assert publication.rows == len(batch)
    assert publication.digest == ContentDigest().update(batch)
    assert publication.slice.messages == len(messages)
    assert publication.bytes == sum(len(key) + len(value) for key, value in messages)
    held = watermarks(connection, publication.slice.topic)
    assert held == {p: (start, end) for p, start, end in publication.slice.ranges}


def test_a_second_publication_follows_the_first(broker: str) -> None:
    connection, topic, codec = KafkaConnection(broker), new_topic(), BlockCodec(10)
    first = published(connection, events(50), codec=codec, topic=topic)
    second = published(connection, events(50, start=50), codec=codec, topic=topic)
    ends = [(partition, end) for partition, _, end in first.slice.ranges]
    assert [(partition, start) for partition, start, _ in second.slice.ranges] == ends


def test_nothing_to_publish_is_an_empty_slice(broker: str) -> None:
    publication = published(KafkaConnection(broker), events(0), codec=CsvCodec())
    assert (publication.rows, publication.slice.messages) == (0, 0)


def test_progress_counts_every_event(broker: str) -> None:
    seen: list[int] = []
    publish(
        pieces(events(300), 100),
        connection=KafkaConnection(broker),
        topic=new_topic(),
        codec=BlockCodec(),
        partitions=1,
        progress=seen.append,
    )
    assert seen == [100, 200, 300]


def test_another_producer_at_the_same_time_is_detected(broker: str) -> None:
    connection, topic, codec = KafkaConnection(broker), new_topic(), BlockCodec(10)
    ensure_topic(connection, topic, 1)

    def interrupted() -> Iterator[EventBatch]:
        yield events(50)
        ends = time.monotonic() + 20
        while not watermarks(connection, topic)[0][1] and time.monotonic() < ends:
            time.sleep(0.05)
        append(connection, topic, [(0, b"0", b"a stranger's")])
        yield events(50, start=50)

    with pytest.raises(PublishError, match="another producer wrote"):
        publish(
            interrupted(),
            connection=connection,
            topic=topic,
            codec=codec,
            partitions=1,
            progress=lambda _: None,
        )


def test_a_message_the_broker_refuses_is_an_error(broker: str) -> None:
    with pytest.raises(PublishError, match="expected 1 messages to be acknowledged, received 0"):
        publish(
            [events(150_000)],
            connection=KafkaConnection(broker),
            topic=new_topic(),
            codec=BlockCodec(150_000),
            partitions=1,
            progress=lambda _: None,
        )


def test_an_error_of_the_source_is_passed_on(broker: str) -> None:
    def broken() -> Iterator[EventBatch]:
        yield events(10)
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        publish(
            broken(),
            connection=KafkaConnection(broker),
            topic=new_topic(),
            codec=CsvCodec(),
            partitions=1,
            progress=lambda _: None,
        )


def test_what_limits_the_life_of_a_data_set_is_told_with_it(
    broker: str, caplog: pytest.LogCaptureFixture
) -> None:
    topic, admin = new_topic(), KafkaAdminClient(bootstrap_servers=broker)
    admin.create_topics({topic: {"num_partitions": 1, "configs": {"retention.ms": "86400000"}}})
    admin.close()
    connection = KafkaConnection(broker)
    limited = published(connection, events(10), codec=CsvCodec(), topic=topic, partitions=1)
    assert "retention.ms=86400000" in limited.note
    assert limited.note in caplog.messages
    assert published(connection, events(10), codec=CsvCodec()).note == ""


def test_a_broker_that_halts_longer_than_a_request_may_take_loses_and_repeats_nothing(
    tmp_path: Path,
) -> None:
    with embedded_broker(tmp_path) as own:
        server = psutil.Process(
            json.loads((tmp_path / "kafka" / "state.json").read_text())["server_pid"]
        )
        batch, connection = events(2000), KafkaConnection(own, timeout_seconds=3.0)

        def halting() -> Iterator[EventBatch]:
            yield batch[:1000]
            server.suspend()
            # also longer than Kafka's own session: the node must elect itself anew
            threading.Timer(4.5, server.resume).start()
            yield batch[1000:]

        publication = publish(
            halting(),
            connection=connection,
            topic=new_topic(),
            codec=BlockCodec(100),
            partitions=2,
            progress=lambda _: None,
        )
        assert publication.seconds > 4.5
        assert publication.digest == ContentDigest().update(batch)
        assert watermarks(connection, publication.slice.topic) == {0: (0, 10), 1: (0, 10)}


@pytest.mark.filterwarnings(
    # kafka-python leaves the sockets of refused connections to the garbage collector
    "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
)
def test_a_broker_that_goes_away_is_an_error_within_the_timeout(tmp_path: Path) -> None:
    died, before = 0.0, {thread.name for thread in threading.enumerate()}
    with embedded_broker(tmp_path) as own:

        def dying() -> Iterator[EventBatch]:
            nonlocal died
            yield events(1000)
            state = json.loads((tmp_path / "kafka" / "state.json").read_text())
            os.kill(state["server_pid"], signal.SIGKILL)
            died = time.monotonic()
            for start in range(1000, 100_000, 1000):
                yield events(1000, start=start)

        with pytest.raises(PublishError, match="publish again"):
            publish(
                dying(),
                connection=KafkaConnection(own, timeout_seconds=3.0),
                topic=new_topic(),
                codec=BlockCodec(100),
                partitions=2,
                progress=lambda _: None,
            )
        assert time.monotonic() - died < 30  # Kafka's own is two minutes
        assert not [t for t in threading.enumerate() if t.name not in before and t.is_alive()]
    gc.collect()  # here, not in the middle of another test
