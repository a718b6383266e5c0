"""What stands on a topic.

In: a broker, the model store and a topic's name. Out: its watermarks, the documents of its form,
and the data sets that lie there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from susystream.errors import BadMessage, SliceTruncated
from susystream.registry.document import DatasetRecord
from susystream.registry.store import ModelStore
from susystream.stream.connection import KafkaConnection
from susystream.stream.ordering import check_held
from susystream.stream.schema_document import parsed
from susystream.stream.schema_topic import texts_of
from susystream.stream.slices import TopicSlice
from susystream.stream.topics import cluster_id, topic_id, watermarks


@dataclass(frozen=True, slots=True)
class TopicSummary:
    """For a person, and as JSON.

    Attributes:
        topic: Its name.
        topic_id: Its identity; brokers before 2.8 have none.
        held: The first offset the log holds and that after its last, by partition.
        texts: The documents on `<topic>.schema`, as they stand.
        datasets: Registered, the newest first.
    """

    topic: str
    topic_id: str | None
    held: dict[int, tuple[int, int]]
    texts: list[bytes]
    datasets: list[DatasetRecord]

    def to_json(self) -> dict[str, Any]:
        """Plain data; a document that is none of ours becomes its error."""
        return {
            "topic": self.topic,
            "topic_id": self.topic_id,
            "partitions": {str(partition): list(span) for partition, span in self.held.items()},
            "schema": [_document(text) for text in self.texts],
            "datasets": [
                {**record.model_dump(mode="json"), "whole": self._is_whole(record)}
                for record in self.datasets
            ],
        }

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        whole = TopicSlice(self.topic, tuple((p, *span) for p, span in self.held.items()))
        yield f"holds     {whole}"
        for text in self.texts:
            yield f"schema    {_line(text)}"
        for record in self.datasets:
            there = TopicSlice.from_json(record.slice)
            told = f"{record.dataset_id}: {record.rows:,} events, {record.codec}, {there}"
            yield f"data set  {told}" + ("" if self._is_whole(record) else ", not whole any more")

    def _is_whole(self, record: DatasetRecord) -> bool:
        """Whether the log still holds all of its offsets."""
        try:
            check_held(TopicSlice.from_json(record.slice), self.held)
        except SliceTruncated:
            return False
        return True


def topic_summary(connection: KafkaConnection, store: ModelStore, topic: str) -> TopicSummary:
    """What stands there now.

    Raises:
        StreamError: There is no such topic, or it cannot be read.
    """
    here, identity = cluster_id(connection), topic_id(connection, topic)
    records = [
        record
        for record in store.list_datasets()
        if (record.cluster_id, record.slice["topic"]) == (here, topic)
        and record.topic_id in (None, identity)
    ]
    held, texts = watermarks(connection, topic), texts_of(connection, topic)
    return TopicSummary(topic, identity, held, texts, records)


def _document(text: bytes) -> Any:
    try:
        return json.loads(parsed(text).to_json())
    except BadMessage as error:
        return {"error": str(error)}


def _line(text: bytes) -> str:
    try:
        document = parsed(text)
    except BadMessage as error:
        return str(error)
    form = document.codec
    places = " ".join(f"{p}:{offset}" for p, offset in sorted(document.begins.items()))
    return (
        f"{form.name} of version {form.version}, at most {form.events_per_message:,} events a "
        f"message, from {places}"
    )
