"""Publishing: commands take turns, a slice is what the record says, nothing is published twice."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from pymongo import MongoClient
from stages.desk import Open

from susystream.errors import DigestMismatch, SliceTruncated, StreamError
from susystream.physics.toy import toy_events
from susystream.schema import EventBatch
from susystream.stages import already_there
from susystream.stages.context import StageContext
from susystream.stages.prepare import prepare_data
from susystream.stages.publish import publish
from susystream.stages.train import train
from susystream.stream.codec import codec_named
from susystream.stream.producer import end_of
from susystream.stream.producer import publish as publish_events
from susystream.stream.schema_document import parsed
from susystream.stream.schema_topic import texts_of
from susystream.stream.slices import TopicSlice
from susystream.stream.topics import topic_id, watermarks


def test_two_publications_to_one_topic_at_once_take_turns(opened: Open, said: io.StringIO) -> None:
    wanted = ("data.rows=60000", "stream/codec=csv")
    with (
        opened(*wanted) as context,
        opened(*wanted, "data.offset=1000000") as other,
        ThreadPoolExecutor(2) as pool,
    ):
        results = list(pool.map(publish, (context, other)))
    first, second = sorted(results, key=lambda result: str(result.inputs["slice"]["partitions"]))
    for partition, (start, end) in first.inputs["slice"]["partitions"].items():
        assert (start, end) == (0, 27_000)
        assert second.inputs["slice"]["partitions"][partition] == [27_000, 54_000]
    assert said.getvalue().count("waiting for another command that publishes") == 1
    with opened(f"train.dataset={second.dataset_ids[0]}") as context:
        assert train(context).rows == 54_000


def log_of(context: StageContext) -> dict[int, tuple[int, int]]:
    return watermarks(context.kafka, context.settings.stream.topic)


def test_what_is_published_is_not_published_again(opened: Open, said: io.StringIO) -> None:
    with opened() as context:
        first, log = publish(context), log_of(context)
        second = publish(context)
        assert log_of(context) == log
    assert second.dataset_ids == first.dataset_ids
    assert second.rows == first.rows
    assert second.run_id != first.run_id
    assert "the topic holds these events" in " ".join(said.getvalue().split())


def test_what_is_found_published_is_the_latest_again(opened: Open) -> None:
    """A, B, and A once more: what trains on `latest` trains on A."""
    with opened() as context:
        first = publish(context)
    with opened("data.offset=1000000") as context:
        assert publish(context).dataset_ids != first.dataset_ids
    with opened() as context:
        publish(context)
        trained = train(context)
    assert trained.dataset_ids == first.dataset_ids


@pytest.mark.parametrize(
    "changed",
    ["stream.reuse=false", "data.offset=1000000", "stream/codec=csv", "stream.topic=another"],
)
def test_other_events_or_another_form_are_published(opened: Open, changed: str) -> None:
    with opened() as context:
        first = publish(context)
    with opened(changed) as context:
        second = publish(context)
        held = sum(high for _, high in log_of(context).values())
    assert second.dataset_ids != first.dataset_ids
    alone = 0 if "topic" in changed else TopicSlice.from_json(first.inputs["slice"]).messages
    assert held == alone + TopicSlice.from_json(second.inputs["slice"]).messages


@pytest.mark.parametrize("between", [(), ((),)])
def test_a_publication_killed_after_its_registration_is_no_second_data_set(
    opened: Open, between: tuple[tuple[str, ...], ...]
) -> None:
    """What such a kill leaves: the data set in the store, and its beginning noted on disk."""
    with opened() as context:
        first = TopicSlice.from_json(publish(context).inputs["slice"])
        prepared = prepare_data(context)
        begin = TopicSlice(first.topic, tuple((number, 0, 0) for number, *_ in first.ranges))
        few = codec_named(
            "block", events_per_message=context.store.list_datasets()[0].events_per_message
        )
        already_there.unfinished(context, prepared, few).note(begin)
    for overrides in between:
        with opened(*overrides) as context:
            publish(context)
            assert len(context.store.list_datasets()) == 1
    with opened("stream.reuse=false") as context:
        second = TopicSlice.from_json(publish(context).inputs["slice"])
    assert not second.overlaps(first)


def test_a_record_that_does_not_say_its_topic_id_is_taken_by_its_offsets(opened: Open) -> None:
    with opened() as context:
        record = context.store.load_dataset(publish(context).dataset_ids[0])
        already_there.check_there(context, record.model_copy(update={"topic_id": None}))
        with pytest.raises(StreamError, match="made anew"):
            already_there.check_there(context, record.model_copy(update={"topic_id": "another"}))


def test_a_data_set_does_not_depend_on_how_its_log_is_compressed(
    opened: Open, services_home: Path
) -> None:
    with opened("stream.compression=zstd") as context:
        first = publish(context)
        topic = context.settings.stream.topic
    (log,) = services_home.rglob(f"{topic}-0/00000000000000000000.log")
    assert log.read_bytes()[22] & 7 == 4  # Kafka's number of zstd, in its first batch's header
    with opened() as context:
        assert publish(context).dataset_ids == first.dataset_ids
        train(context)


def test_a_topic_says_what_its_messages_are_once_for_each_form(opened: Open) -> None:
    for overrides in ([], ["data.offset=1000000"], ["stream/codec=csv"], ["data.offset=2000000"]):
        with opened(*overrides) as context:
            publish(context)
    found = texts_of(context.kafka, context.settings.stream.topic)
    documents = [parsed(text) for text in found]
    assert [one.codec.name for one in documents] == ["block", "csv", "block"]
    assert [one.begins for one in documents] == [{0: 0, 1: 0}, {0: 100, 1: 100}, {0: 1900, 1: 1900}]
    assert {one.topic_id for one in documents} == {topic_id(context.kafka, documents[0].topic)}


def test_what_is_read_back_is_registered(opened: Open, said: io.StringIO) -> None:
    with opened("stream.read_back=true") as context:
        publish(context)
        assert len(context.store.list_datasets()) == 1
    assert said.getvalue().count("reads back") == 1
    with opened("stream.read_back=true") as context:
        publish(context)
        assert len(context.store.list_datasets()) == 1, "the same events are not published again"
    assert said.getvalue().count("reads back") == 2, "and yet they are read back"


@pytest.mark.parametrize(
    ("others", "error"),
    [(3600, DigestMismatch), (3500, SliceTruncated)],
)
def test_what_is_not_in_the_log_any_more_is_not_registered(
    opened: Open, monkeypatch: pytest.MonkeyPatch, others: int, error: type[StreamError]
) -> None:
    """The topic is made anew with other events, behind the publication and before the look."""
    with opened("stream.read_back=true") as context:
        say = context.console.say

        def heard(text: str) -> None:
            say(text)
            if "reads back" in text:
                replace_topic(context, toy_events(start=9000, stop=9000 + others, seed=1))

        monkeypatch.setattr(context.console, "say", heard)
        with pytest.raises(error, match="publish again"):
            publish(context)
        assert context.store.list_datasets() == []


def replace_topic(context: StageContext, batch: EventBatch) -> None:
    topic = context.settings.stream.topic
    admin = KafkaAdminClient(bootstrap_servers=context.kafka.bootstrap_servers)
    admin.delete_topics([topic])
    admin.close()
    publish_events(
        [batch],
        connection=context.kafka,
        topic=topic,
        codec=codec_named("block", events_per_message=36),
        partitions=2,
        progress=lambda _: None,
    )


def test_a_topic_that_was_made_anew_is_published_to(opened: Open) -> None:
    with opened() as context:
        first = publish(context)
        admin = KafkaAdminClient(bootstrap_servers=context.kafka.bootstrap_servers)
        admin.delete_topics([context.settings.stream.topic])
        admin.close()
        second = publish(context)
    assert second.dataset_ids != first.dataset_ids
    assert second.inputs["slice"] == first.inputs["slice"]


def forgotten(context: StageContext) -> None:
    """As if the only publication had been killed just before it was registered."""
    (record,) = context.store.list_datasets()
    registry = context.settings.registry
    with MongoClient[dict[str, object]](registry.uri) as client:
        client[registry.database]["datasets"].delete_many({})
    codec = codec_named(record.codec, events_per_message=record.events_per_message)
    log = dict.fromkeys(range(context.settings.stream.partitions), (0, 0))
    begin = end_of(context.settings.stream.topic, log)
    already_there.unfinished(context, prepare_data(context), codec).note(begin)


def test_a_publication_that_was_killed_before_it_was_registered_is_only_registered(
    opened: Open, said: io.StringIO
) -> None:
    with opened() as context:
        first, log = publish(context), log_of(context)
        forgotten(context)
        second = publish(context)
        assert log_of(context) == log
        third = publish(context)
    assert second.inputs["slice"] == first.inputs["slice"]
    assert second.metrics["stream/resumed_messages"] == first.metrics["stream/messages"]
    assert third.dataset_ids == second.dataset_ids != first.dataset_ids
    assert "goes on after" in said.getvalue()
