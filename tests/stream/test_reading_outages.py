"""A broker that is killed within a read: the read goes on when it comes back, or says so."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from own_broker import OwnBroker
from stream_messages import events, published

from susystream.errors import StreamStalled
from susystream.stream.codec import BlockCodec
from susystream.stream.connection import KafkaConnection
from susystream.stream.consumer import KafkaReader
from susystream.stream.producer import Publication
from susystream.stream.slices import ContentDigest

ROWS = 800_000
AHEAD = 2 * 8_388_608 // 73  # events of a partition that a client may hold before they are read
CODEC = BlockCodec(1000)

# kafka-python leaves the sockets of refused connections to the garbage collector
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    with OwnBroker(tmp_path_factory.mktemp("own")) as broker:
        yield broker
    gc.collect()  # here, not in the middle of another test


@pytest.fixture(scope="module")
def publication(own: OwnBroker) -> Publication:
    return published(KafkaConnection(own.address), events(ROWS), codec=CODEC, partitions=1)


def test_killed_three_times_within_a_read_the_broker_costs_no_event(
    own: OwnBroker, publication: Publication
) -> None:
    connection, digest = KafkaConnection(own.address), ContentDigest()
    kills, starts = [1, 270_000, 540_000], list[Future[None]]()
    assert kills[-1] + AHEAD < ROWS  # each time some of the slice was still with the broker
    with ThreadPoolExecutor(1) as pool:
        for batch in KafkaReader(connection, CODEC, 60.0).batches(publication.slice):
            digest = digest.update(batch)
            if len(starts) < len(kills) and digest.rows > kills[len(starts)]:
                for start in starts:
                    start.result()
                own.kill()
                starts.append(pool.submit(own.start))
        for start in starts:
            start.result()
    assert len(starts) == 3
    assert digest == publication.digest


def test_a_broker_that_stays_away_stalls_the_read_in_one_line(
    own: OwnBroker, publication: Publication
) -> None:
    connection = KafkaConnection(own.address)
    reader = KafkaReader(connection, CODEC, stall_seconds=2.0).batches(publication.slice)
    next(reader)
    own.kill()
    killed = time.monotonic()
    try:
        told = r"none for 2 s; check the broker .* \(expected a Kafka broker at"
        with pytest.raises(StreamStalled, match=told) as caught:
            list(reader)
        assert time.monotonic() - killed < 30
        assert "\n" not in str(caught.value)
    finally:
        own.start()
