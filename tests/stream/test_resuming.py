"""A publication that was killed goes on where it was: each event stands on the topic once."""

from __future__ import annotations

import gc
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from own_broker import OwnBroker
from stream_messages import append, events, new_topic, pieces, published, same

from susystream.errors import PublishError
from susystream.schema import EventBatch, concatenate
from susystream.stream.codec import BlockCodec, Codec, CsvCodec
from susystream.stream.connection import KafkaConnection
from susystream.stream.consumer import KafkaReader
from susystream.stream.producer import Publication, end_of, publish
from susystream.stream.resuming import held_of
from susystream.stream.slices import ContentDigest, TopicSlice
from susystream.stream.topics import ensure_topic, watermarks

ROWS = 60_000


def left(
    broker: str, batch: EventBatch, codec: Codec, counts: list[int]
) -> tuple[KafkaConnection, TopicSlice]:
    """A topic with some old messages, and the beginnings of each partition's share."""
    connection, topic = KafkaConnection(broker), new_topic()
    published(connection, events(40, seed=9), codec=codec, topic=topic, partitions=len(counts))
    begin = end_of(topic, watermarks(connection, topic))
    messages = [message for piece in pieces(batch) for message in codec.encode(piece)]
    parts = len(counts)
    dealt = [(i % parts, *one) for i, one in enumerate(messages) if i // parts < counts[i % parts]]
    append(connection, topic, dealt)
    return connection, begin


def resumed(
    connection: KafkaConnection, begin: TopicSlice, batch: EventBatch, codec: Codec
) -> Publication:
    held = held_of(begin, pieces(batch), connection=connection, codec=codec)
    assert held is not None
    return publish(
        pieces(batch),
        connection=connection,
        topic=begin.topic,
        codec=codec,
        partitions=len(begin.ranges),
        progress=lambda _: None,
        held=held,
    )


@pytest.mark.parametrize("codec", [BlockCodec(10), CsvCodec()], ids=lambda one: one.name)
@pytest.mark.parametrize("counts", [[0, 0, 0], [3, 2, 2], [5, 0, 2], [0, 0, 7], [20, 20, 20]])
def test_only_what_is_missing_is_sent(broker: str, codec: Codec, counts: list[int]) -> None:
    batch = events(600 if codec.name == "block" else 60)
    connection, begin = left(broker, batch, codec, counts)
    publication = resumed(connection, begin, batch, codec)
    assert publication.held == sum(counts)
    assert publication.digest == ContentDigest().update(batch)
    assert publication.slice.messages == 60
    ends = {p: end for p, _, end in publication.slice.ranges}
    assert ends == {p: high for p, (_, high) in watermarks(connection, begin.topic).items()}
    read = list(KafkaReader(connection, codec).batches(publication.slice))
    assert same(concatenate(read), batch)


def test_more_partitions_than_messages_resume(broker: str) -> None:
    batch, codec = events(20), BlockCodec(10)
    connection, begin = left(broker, batch, codec, [1, 0, 0, 0])
    publication = resumed(connection, begin, batch, codec)
    assert (publication.held, publication.slice.messages) == (1, 2)


@pytest.mark.parametrize("strange", [b"a stranger's", None], ids=["value", "key"])
def test_what_others_wrote_is_not_taken_for_ours(broker: str, strange: bytes | None) -> None:
    batch, codec = events(60), CsvCodec()
    connection, begin = left(broker, batch, codec, [3, 3])
    key, value = list(codec.encode(batch))[7]
    append(connection, begin.topic, [(1, b"9", value) if strange is None else (1, key, strange)])
    assert held_of(begin, pieces(batch), connection=connection, codec=codec) is None


def test_more_than_all_is_not_ours(broker: str) -> None:
    batch, codec = events(60), CsvCodec()
    connection, begin = left(broker, batch, codec, [30, 30])
    append(connection, begin.topic, [(0, *next(codec.encode(batch)))])
    assert held_of(begin, pieces(batch), connection=connection, codec=codec) is None


def test_a_topic_that_was_made_anew_holds_nothing_of_ours(broker: str) -> None:
    connection, topic = KafkaConnection(broker), new_topic()
    ensure_topic(connection, topic, 2)
    begin = TopicSlice(topic, ((0, 5, 5), (1, 5, 5)))
    assert held_of(begin, pieces(events(60)), connection=connection, codec=CsvCodec()) is None


def test_messages_that_come_after_the_look_are_noticed(broker: str) -> None:
    """As those of a process that seemed dead."""
    batch, codec = events(60), CsvCodec()
    connection, begin = left(broker, batch, codec, [3, 3])
    held = held_of(begin, pieces(batch), connection=connection, codec=codec)
    append(connection, begin.topic, [(0, *list(codec.encode(batch))[6])])
    with pytest.raises(PublishError, match="another producer wrote"):
        publish(
            pieces(batch),
            connection=connection,
            topic=begin.topic,
            codec=codec,
            partitions=2,
            progress=lambda _: None,
            held=held,
        )


PUBLISHER = """
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from own_broker import OwnBroker
from stream_messages import events, pieces
from susystream.stages.unfinished import Unfinished
from susystream.stream.codec import CsvCodec
from susystream.stream.producer import publish
from susystream.stream.resuming import held_of
from susystream.stream.connection import KafkaConnection
connection, topic, batch = KafkaConnection(sys.argv[2]), sys.argv[3], events(int(sys.argv[5]))
unfinished = Unfinished(Path(sys.argv[4]), {"topic": topic})
begin, held = unfinished.begin(), None
if begin:
    held = held_of(begin, pieces(batch), connection=connection, codec=CsvCodec())
    print("held", held.messages, flush=True)
done = publish(
    pieces(batch, 500), connection=connection, topic=topic, codec=CsvCodec(), partitions=3,
    progress=lambda rows: print("rows", rows, flush=True), held=held, on_begin=unfinished.note,
)
print("done", done.slice.messages, done.digest, flush=True)
"""


def killed_after(command: list[str], lines: int) -> tuple[list[str], bool]:
    """What a publisher said, and whether it ended by itself before so many lines."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if len(said) == lines:
                process.kill()
                break
        return said + process.stdout.readlines(), process.wait(30) == 0


def test_killed_twenty_times_it_leaves_every_event_once(broker: str, tmp_path: Path) -> None:
    topic, draw, kills, held = new_topic(), random.Random(5), 0, list[int]()
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", PUBLISHER, here, broker, topic, str(tmp_path), str(ROWS)]
    while kills < 20:
        said, ended = killed_after(command, draw.randint(1, 12 + 5 * kills))
        assert not ended
        kills += 1
        held += [int(line.split()[1]) for line in said if line.startswith("held")]
    assert held == sorted(held)
    assert 0 < held[-1] < ROWS
    said, ended = killed_after(command, 10**9)
    batch, connection = events(ROWS), KafkaConnection(broker)
    assert ended
    assert said[-1].split() == ["done", str(ROWS), str(ContentDigest().update(batch))]
    log = watermarks(connection, topic)
    whole = TopicSlice(topic, tuple((p, 0, high) for p, (_, high) in sorted(log.items())))
    assert whole.messages == ROWS
    read = concatenate(list(KafkaReader(connection, CsvCodec()).batches(whole)))
    assert same(read, batch)


def test_a_broker_that_is_killed_and_comes_back_loses_and_repeats_nothing(tmp_path: Path) -> None:
    batch, topic = events(30_000), new_topic()
    with OwnBroker(tmp_path) as own, ThreadPoolExecutor(1) as pool:
        connection = KafkaConnection(own.address)

        def interrupted() -> Iterator[EventBatch]:
            for number, piece in enumerate(pieces(batch, 1000)):
                if number in (5, 20):
                    own.kill()
                    pool.submit(own.start)
                yield piece

        publication = publish(
            interrupted(),
            connection=connection,
            topic=topic,
            codec=CsvCodec(),
            partitions=3,
            progress=lambda _: None,
        )
        assert publication.digest == ContentDigest().update(batch)
        assert watermarks(connection, topic) == dict.fromkeys(range(3), (0, 10000))
        read = list(KafkaReader(connection, CsvCodec()).batches(publication.slice))
        assert same(concatenate(read), batch)
    gc.collect()  # here, not in the middle of another test
