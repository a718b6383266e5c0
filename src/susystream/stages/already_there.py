"""What a topic holds already of the events that are to be published.

In: prepared events and a form of messages. Out: the data set that they are, or what a publication
that was killed left of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from susystream.data.prepared import Prepared
from susystream.data.scan import scan_events
from susystream.errors import BrokerUnavailable, StreamError, StreamStalled
from susystream.registry.document import DatasetRecord
from susystream.stages.context import StageContext
from susystream.stages.unfinished import Unfinished
from susystream.stream.codec import Codec
from susystream.stream.ordering import check_held
from susystream.stream.resuming import held_of
from susystream.stream.slices import TopicSlice
from susystream.stream.topics import cluster_id, topic_id, watermarks


def registered(context: StageContext, prepared: Prepared, codec: Codec) -> DatasetRecord | None:
    """A data set of just these events in just this form, if the log still holds it."""
    kafka, stream = context.kafka, context.settings.stream
    if not stream.reuse:
        return None
    wanted = {
        "cluster_id": cluster_id(kafka),
        "name": context.settings.data.name,
        "codec": codec.name,
        "events_per_message": codec.events_per_message,
        "digest": str(prepared.digest_train),
        "split": split_of(prepared),
        "scaler": prepared.scaler.to_json(),
    }
    for record in context.store.list_datasets():
        same = all(getattr(record, name) == value for name, value in wanted.items())
        if same and record.topic_id and record.slice["topic"] == stream.topic:
            with _passing_over_what_is_gone():
                check_there(context, record)
                return record
    return None


@contextmanager
def _passing_over_what_is_gone() -> Iterator[None]:
    """A topic or a log may be gone; what a broker that does not answer holds is not known."""
    try:
        yield
    except (BrokerUnavailable, StreamStalled):
        raise  # to begin anew might publish twice
    except StreamError:
        return


def check_there(context: StageContext, record: DatasetRecord) -> None:
    """Whether the topic is the same and holds all offsets.

    Raises:
        StreamError: It is not, or does not.
    """
    there = TopicSlice.from_json(record.slice)
    received = topic_id(context.kafka, there.topic)
    if record.topic_id and received != record.topic_id:  # not every record has one
        raise StreamError(
            f"expected topic {there.topic} as it was when data set {record.dataset_id} was "
            "published, received one made anew; publish again"
        )
    check_held(there, watermarks(context.kafka, there.topic))


def split_of(prepared: Prepared) -> dict[str, Any]:
    """Which part of the data is published, and what the rest is."""
    return {
        "part": "train",
        "test_rows": prepared.rows_test,
        "test_digest": prepared.digest_test,
    }


def unfinished(context: StageContext, prepared: Prepared, codec: Codec) -> Unfinished:
    """Where a publication of these events is noted until it ends."""
    stream = context.settings.stream
    identity = {
        "cluster_id": cluster_id(context.kafka),
        "topic": stream.topic,
        "partitions": stream.partitions,
        "codec": codec.name,
        "events_per_message": codec.events_per_message,
        "digest": str(prepared.digest_train),
    }
    return Unfinished(context.settings.home / "publish", identity)


def begun(context: StageContext, unfinished: Unfinished) -> TopicSlice | None:
    """Where a publication of these events began that did not end.

    One that was killed between its registration and its last word did: else its messages would
    become a second data set.
    """
    begin = unfinished.begin()
    if begin is None:
        return None
    with _passing_over_what_is_gone():
        if _is_registered_at(context, begin):
            unfinished.forget()
            return None
    return begin


def _is_registered_at(context: StageContext, begin: TopicSlice) -> bool:
    place = (cluster_id(context.kafka), topic_id(context.kafka, begin.topic))
    return any(
        (record.cluster_id, record.topic_id) == place
        and _starts(TopicSlice.from_json(record.slice)) == _starts(begin)
        for record in context.store.list_datasets()
    )


def _starts(one: TopicSlice) -> set[tuple[int, int]]:
    return {(partition, start) for partition, start, _ in one.ranges}


def held(
    context: StageContext, prepared: Prepared, codec: Codec, begin: TopicSlice | None
) -> TopicSlice | None:
    """What a publication that was killed left, if that is all that came since."""
    if begin is None:
        return None
    found = None
    with _passing_over_what_is_gone():
        found = held_of(begin, scan_events(prepared.train), connection=context.kafka, codec=codec)
    if found is None:
        context.note(
            "a publication of these events did not end, and others wrote since: it begins anew"
        )
    else:
        context.note(f"goes on after {found.messages:,} messages that are there already")
    return found
