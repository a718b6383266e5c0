"""What a real topic says of itself: once for each form, whatever is killed between."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from stream_messages import append, events, new_topic, published

from susystream.errors import BadMessage, StreamError
from susystream.stream.codec import BlockCodec, Codec, CsvCodec
from susystream.stream.connection import KafkaConnection
from susystream.stream.producer import end_of
from susystream.stream.schema_document import SUFFIX
from susystream.stream.schema_topic import codec_at, state_form, texts_of
from susystream.stream.slices import TopicSlice
from susystream.stream.topics import ensure_topic, watermarks


def new_end(connection: KafkaConnection) -> TopicSlice:
    """The end of a new topic."""
    topic = new_topic()
    ensure_topic(connection, topic, 2)
    return end_of(topic, watermarks(connection, topic))


def test_a_form_is_stated_once_and_again_when_it_changes(broker: str) -> None:
    connection = KafkaConnection(broker)
    begin = new_end(connection)
    assert codec_at(connection, TopicSlice(begin.topic, ((0, 0, 5),))) is None
    wrote = []
    for codec in (BlockCodec(10), BlockCodec(10), CsvCodec(), CsvCodec(), BlockCodec(10)):
        end = end_of(begin.topic, watermarks(connection, begin.topic))
        wrote.append(state_form(connection, end, codec))
        published(connection, events(40), codec=codec, topic=begin.topic)
    assert wrote == [True, False, True, False, True]
    assert len(texts_of(connection, begin.topic)) == 3
    spans: dict[tuple[int, int], Codec]
    spans = {(0, 4): BlockCodec(10), (4, 44): CsvCodec(), (44, 46): BlockCodec(10)}
    for (start, stop), expected in spans.items():
        wanted = TopicSlice(begin.topic, ((0, start, stop), (1, start, stop)))
        assert codec_at(connection, wanted) == expected


def test_documents_are_kept_without_any_limit(broker: str) -> None:
    connection = KafkaConnection(broker)
    begin = new_end(connection)
    state_form(connection, begin, CsvCodec())
    admin = KafkaAdminClient(bootstrap_servers=broker)
    asked = ConfigResource(ConfigResourceType.TOPIC, begin.topic + SUFFIX)
    found = admin.describe_configs([asked])["topic"][begin.topic + SUFFIX]
    admin.close()
    kept = {name: found[name]["value"] for name in ("cleanup.policy", "retention.ms")}
    assert kept == {"cleanup.policy": "delete", "retention.ms": "-1"}
    assert watermarks(connection, begin.topic + SUFFIX) == {0: (0, 1)}


KILLED = """
import os, signal, sys
from susystream.stream.codec import CsvCodec
from susystream.stream.schema_topic import state_form
from susystream.stream.slices import TopicSlice
from susystream.stream.connection import KafkaConnection
begin = TopicSlice(sys.argv[2], ((0, 0, 0), (1, 0, 0)))
assert state_form(KafkaConnection(sys.argv[1]), begin, CsvCodec())
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_behind_its_document_a_publication_does_no_harm(broker: str) -> None:
    connection = KafkaConnection(broker)
    begin = new_end(connection)
    done = subprocess.run([sys.executable, "-c", KILLED, broker, begin.topic], timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert not state_form(connection, begin, CsvCodec())  # the same again
    assert len(texts_of(connection, begin.topic)) == 1
    assert state_form(connection, begin, BlockCodec(5))  # or another, from there on
    assert codec_at(connection, TopicSlice(begin.topic, ((0, 0, 5),))) == BlockCodec(5)


def test_equal_documents_do_no_harm(broker: str) -> None:
    connection = KafkaConnection(broker)
    begin = new_end(connection)
    state_form(connection, begin, CsvCodec())
    (one,) = texts_of(connection, begin.topic)
    append(connection, begin.topic + SUFFIX, [(0, None, one)] * 2)
    assert not state_form(connection, begin, CsvCodec())
    assert codec_at(connection, TopicSlice(begin.topic, ((1, 0, 5),))) == CsvCodec()


def test_a_topic_made_anew_says_nothing_of_what_it_was(broker: str) -> None:
    connection = KafkaConnection(broker)
    begin = new_end(connection)
    state_form(connection, begin, CsvCodec())
    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.delete_topics([begin.topic])
    admin.close()
    ensure_topic(connection, begin.topic, 2)
    assert codec_at(connection, TopicSlice(begin.topic, ((0, 0, 5),))) is None
    assert state_form(connection, begin, CsvCodec())


@pytest.mark.parametrize("noise", [b"no document", b'{"schema_version": 9}', None])
def test_what_no_one_here_can_read_stops_a_reader_and_no_publication(
    broker: str, noise: bytes | None
) -> None:
    connection = KafkaConnection(broker)
    begin = new_end(connection)
    wanted = TopicSlice(begin.topic, ((0, 0, 5),))
    ensure_topic(connection, begin.topic + SUFFIX, 1)
    append(connection, begin.topic + SUFFIX, [(0, b"", noise)])  # type: ignore[list-item]
    with pytest.raises(BadMessage, match="expected a schema document of version 1, received"):
        codec_at(connection, wanted)
    assert state_form(connection, begin, CsvCodec())
    assert codec_at(connection, wanted) == CsvCodec()
    assert not state_form(connection, begin, CsvCodec())


def test_a_topic_that_is_not_there_is_named(broker: str) -> None:
    with pytest.raises(StreamError, match="expected topic nowhere-at-all"):
        codec_at(KafkaConnection(broker), TopicSlice("nowhere-at-all", ((0, 0, 5),)))
