"""From stream settings to a reader of slices, and what proves a read.

In: a data set record. Out: a function that reads the slice from its start, any number of times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from susystream.errors import StreamError
from susystream.registry.document import DatasetRecord
from susystream.schema import EventBatch
from susystream.stages.context import StageContext
from susystream.stages.metering import Meter
from susystream.stream.codec import Codec, codec_named
from susystream.stream.consumer import KafkaReader
from susystream.stream.slices import TopicSlice
from susystream.stream.topics import cluster_id
from susystream.tracking.tracker import TrackedRun

if TYPE_CHECKING:
    from susystream.stream.tfio_reader import TfioReader

Reader = Callable[[TopicSlice], Iterator[EventBatch]]


def open_reader(context: StageContext, record: DatasetRecord, meter: Meter | None = None) -> Reader:
    """Reads slices of the record's topic with the client that the settings name.

    Raises:
        StreamError: The broker is another cluster than the one that holds the data set.
    """
    here = cluster_id(context.kafka)
    if here != record.cluster_id:
        raise StreamError(
            f"expected Kafka cluster {record.cluster_id}, which holds data set "
            f"{record.dataset_id}, received {here} at {context.kafka.bootstrap_servers}; "
            "give that cluster's address in stream.bootstrap_servers or publish again"
        )
    codec = codec_named(record.codec, events_per_message=record.events_per_message)
    return reader_of(context, codec, meter)


@contextmanager
def bad_messages_logged(context: StageContext, run: TrackedRun) -> Iterator[None]:
    """Logs how many messages the block set aside, if any, whether or not they end it."""
    try:
        yield
    finally:
        if context.bad_messages:
            run.log_metrics({"stream/bad_messages": float(context.bad_messages)})


def reader_of(context: StageContext, codec: Codec, meter: Meter | None = None) -> Reader:
    """Reads slices of any topic whose messages have the codec's form; bad ones are set aside."""
    reader = _reader(context, codec)
    if meter is None:
        return reader.batches

    def read(wanted: TopicSlice) -> Iterator[EventBatch]:
        return replace(reader, on_read=meter.watching(wanted)).batches(wanted)

    return read


def _reader(context: StageContext, codec: Codec) -> KafkaReader | TfioReader:
    settings, on_bad = context.settings.stream.reader, context.dead_letters.put
    if settings.name == "kafka":
        return KafkaReader(context.kafka, codec, settings.stall_seconds, on_bad=on_bad)
    from susystream.stream.tfio_reader import TfioReader  # an extra: loaded only when asked for

    return TfioReader(context.kafka, codec, settings.stall_seconds, on_bad)
