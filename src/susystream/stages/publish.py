"""Stage `publish`: the prepared training events onto a Kafka topic.

In: prepared events. Out: exactly recorded offsets, registered as a data set in the store, and on
`<topic>.schema` what the messages are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from susystream.data.prepared import Prepared
from susystream.data.scan import scan_events
from susystream.errors import DigestMismatch, PublishError
from susystream.file_lock import file_lock
from susystream.registry.document import DatasetRecord, new_id, now_iso
from susystream.stages import already_there, notes
from susystream.stages.context import StageContext
from susystream.stages.naming import dataset_title
from susystream.stages.prepare import prepare_data
from susystream.stages.readers import reader_of
from susystream.stages.result import StageResult
from susystream.stages.tracked import tracked
from susystream.stages.unfinished import Unfinished
from susystream.stream.codec import Codec, codec_named
from susystream.stream.producer import Publication
from susystream.stream.producer import publish as publish_events
from susystream.stream.schema_topic import state_form
from susystream.stream.slices import ContentDigest, TopicSlice
from susystream.stream.topics import cluster_id, topic_id
from susystream.tracking.tracker import TrackedRun


def publish(context: StageContext, *, parent_run_id: str | None = None) -> StageResult:
    """Publishes the training events and registers their slice; prepares them first if needed."""
    settings = context.settings
    started = time.monotonic()
    context.console.heading(f"publish to topic {settings.stream.topic}")
    nested = parent_run_id is not None
    with tracked(
        context, "publish", usually=settings.data.name, parent_run_id=parent_run_id
    ) as run:
        _ = context.store  # a wrong address is told before events are prepared and a broker starts
        prepared = prepare_data(context)
        codec = _codec(context, prepared)
        with _alone_on(context, settings.stream.topic):
            record = already_there.registered(context, prepared, codec)
            if record:
                context.note("the topic holds these events: nothing is published again")
                already_there.unfinished(context, prepared, codec).forget()
                _read_back(context, record.slice, codec, rows=record.rows, digest=record.digest)
                context.store.published_again(record.dataset_id)
                metrics = _metrics(record)
            else:
                unfinished = already_there.unfinished(context, prepared, codec)
                publication = _publish_train(context, prepared, codec, unfinished)
                record = _record(context, prepared, publication, codec=codec, run_id=run.run_id)
                _read_back(context, record.slice, codec, rows=record.rows, digest=record.digest)
                context.store.save_dataset(record)
                unfinished.forget()
                metrics = _metrics(record) | _metrics_of(publication)
                _show(context, publication)
        _log(run, record, metrics)
        run.set_note(notes.of_publish(context, record, metrics, nested=nested))
    context.note(f"data set {record.dataset_id}: {TopicSlice.from_json(record.slice)}")
    return StageResult(
        "publish",
        run.run_id,
        record.rows,
        time.monotonic() - started,
        dataset_ids=(record.dataset_id,),
        inputs={"train": str(prepared.train), "slice": record.slice},
        metrics=metrics,
    )


_WAIT_SECONDS = 3600.0  # for another publication to end
_MESSAGES_A_PARTITION = 50  # at least, if there are so many events: they split and mix evenly


def _codec(context: StageContext, prepared: Prepared) -> Codec:
    """The codec of the settings; of few events it puts fewer into a message."""
    stream = context.settings.stream
    few = max(1, prepared.rows_train // (_MESSAGES_A_PARTITION * stream.partitions))
    return codec_named(
        stream.codec.name, events_per_message=min(few, stream.codec.events_per_message)
    )


def _publish_train(
    context: StageContext, prepared: Prepared, codec: Codec, unfinished: Unfinished
) -> Publication:
    stream, kafka = context.settings.stream, context.kafka  # a start is no part of publishing
    held = already_there.held(context, prepared, codec, already_there.begun(context, unfinished))

    def begins(begin: TopicSlice) -> None:
        unfinished.note(begin)
        state_form(kafka, begin, codec)

    if held is not None:  # its first attempt may have been killed before it said so
        state_form(kafka, held, codec)
    with context.console.progress("events published", prepared.rows_train) as progress:
        publication = publish_events(
            scan_events(prepared.train),
            connection=kafka,
            topic=stream.topic,
            codec=codec,
            partitions=stream.partitions,
            compression=stream.compression,
            progress=progress,
            held=held,
            on_begin=begins,
        )
    _check(publication, prepared)
    return publication


@contextmanager
def _alone_on(context: StageContext, topic: str) -> Iterator[None]:
    """Publications of this home to one topic wait for each other, for a slice has no gaps."""
    folder = context.settings.home / "publish"
    folder.mkdir(parents=True, exist_ok=True)
    told: list[str] = []

    def waiting() -> None:
        if not told:
            told.append(f"  waiting for another command that publishes to {topic}")
            context.console.say(told[0])

    with file_lock(
        folder / f"{topic}.lock",
        deadline_seconds=_WAIT_SECONDS,
        late=lambda why: PublishError(f"expected to publish to {topic} in turn, received: {why}"),
        waiting=waiting,
    ):
        yield


def _check(publication: Publication, prepared: Prepared) -> None:
    """What was published must be what was prepared."""
    if str(publication.digest) != prepared.digest_train:
        raise PublishError(
            f"expected {prepared.rows_train:,} events with digest {prepared.digest_train}, "
            f"published {publication.rows:,} with {publication.digest}; remove {prepared.folder} "
            "and run again"
        )


def _read_back(
    context: StageContext, span: Mapping[str, Any], codec: Codec, *, rows: int, digest: str
) -> None:
    """If that is wanted: what the log holds must be what was published, now or before.

    Raises:
        DigestMismatch: It holds other events.
        StreamError: It lost some, or they cannot be read.
    """
    if not context.settings.stream.read_back:
        return
    context.note("reads back what was published")
    written, reader = TopicSlice.from_json(span), reader_of(context, codec)
    with context.console.progress("events read back", rows) as progress:
        found = ContentDigest.of(reader(written), progress)
    if (found.rows, str(found)) != (rows, digest):
        raise DigestMismatch(
            f"expected {rows:,} events with digest {digest} in {written}, read back "
            f"{found.rows:,} with {found}; check the broker's disk, and publish again to a "
            "topic of its own (stream.topic=...)"
        )


def _record(
    context: StageContext,
    prepared: Prepared,
    publication: Publication,
    *,
    codec: Codec,
    run_id: str,
) -> DatasetRecord:
    return DatasetRecord(
        dataset_id=new_id("d"),
        created_at=now_iso(),
        name=context.settings.data.name,
        slice=publication.slice.to_json(),
        codec=codec.name,
        events_per_message=codec.events_per_message,
        rows=publication.rows,
        digest=str(publication.digest),
        cluster_id=cluster_id(context.kafka),
        topic_id=topic_id(context.kafka, publication.slice.topic),
        source=prepared.source,
        split=already_there.split_of(prepared),
        scaler=prepared.scaler.to_json(),
        run_id=run_id,
    )


def _metrics(record: DatasetRecord) -> dict[str, float]:
    messages = TopicSlice.from_json(record.slice).messages
    return {"stream/events": float(record.rows), "stream/messages": float(messages)}


def _metrics_of(publication: Publication) -> dict[str, float]:
    """What only publishing tells; the rate is of what was sent."""
    sent = 1 - publication.held / max(1, publication.slice.messages)
    return {
        "stream/bytes": float(publication.bytes),
        "stream/resumed_messages": float(publication.held),
        "stream/events_per_second": sent * publication.rows / publication.seconds,
    }


def _show(context: StageContext, publication: Publication) -> None:
    rate = _metrics_of(publication)["stream/events_per_second"]
    context.note(
        f"{publication.rows:,} events in {publication.slice.messages:,} messages, "
        f"{rate:,.0f} events/s"
    )
    if publication.note:
        context.note(f"note: {publication.note}")


def _log(run: TrackedRun, record: DatasetRecord, metrics: dict[str, float]) -> None:
    run.log_metrics(metrics)
    run.log_dataset(dataset_title(record), record.to_json(), context="published")
    run.set_tags({"dataset_id": record.dataset_id})
