"""From stream settings to a reader of slices, and what proves a read.

In: a data set record. Out: a function that reads the slice from its start, any number of times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from susystream.errors import StreamError
from susystream.registry.document import DatasetRecord
from susystream.schema import EventBatch
from susystream.settings import ReaderSettings
from susystream.stream.codec import Codec, codec_named
from susystream.stream.consumer import KafkaReader
from susystream.stream.slices import TopicSlice
from susystream.stream.topics import KafkaConnection, cluster_id

Reader = Callable[[TopicSlice], Iterator[EventBatch]]


def open_reader(
    settings: ReaderSettings, *, connection: KafkaConnection, record: DatasetRecord
) -> Reader:
    """Reads slices of the record's topic with the client that `settings` names.

    Raises:
        StreamError: The broker is another cluster than the one that holds the data set.
    """
    here = cluster_id(connection)
    if here != record.cluster_id:
        raise StreamError(
            f"expected Kafka cluster {record.cluster_id}, which holds data set "
            f"{record.dataset_id}, received {here} at {connection.bootstrap_servers}; "
            "give that cluster's address in stream.bootstrap_servers or publish again"
        )
    codec = codec_named(record.codec, events_per_message=record.events_per_message)
    return reader_of(settings, connection=connection, codec=codec)


def reader_of(settings: ReaderSettings, *, connection: KafkaConnection, codec: Codec) -> Reader:
    """Reads slices of any topic whose messages have the codec's form."""
    if settings.name == "kafka":
        return KafkaReader(connection, codec, settings.stall_seconds).batches
    from susystream.stream.tfio_reader import TfioReader  # an extra: loaded only when asked for

    return TfioReader(connection, codec, settings.stall_seconds).batches
