"""Events in Kafka as a test set.

In: `dataset:<id>` or `slice:<topic>/<partition>:<start>-<end>`, and what models learned
from. Out: a source that reads exactly those offsets, none of which the models were trained on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from susystream.registry.document import DatasetRecord
from susystream.schema import EventBatch
from susystream.settings.data import SliceSet
from susystream.stages.context import StageContext
from susystream.stages.learned import Learned
from susystream.stages.readers import Reader, open_reader, reader_of
from susystream.stages.unseen import check_slice
from susystream.stream.codec import Codec, codec_named
from susystream.stream.schema_topic import codec_at
from susystream.stream.slices import TopicSlice
from susystream.stream.topics import cluster_id, topic_id

_DATASET = "dataset:"
_SLICE = "slice:"


@dataclass(frozen=True, slots=True)
class SliceSource:
    """Exactly recorded offsets of a topic.

    Attributes:
        name: What a person calls it.
        wanted: The offsets.
        reader: Reads them from their start.
        codec: The name of the messages' form.
        cluster: The Kafka cluster that holds them.
        topic_id: Of the topic, which may be made anew under its name.
        record: The data set they are, if one of just these offsets is registered.
    """

    name: str
    wanted: TopicSlice
    reader: Reader = field(repr=False)
    codec: str
    cluster: str
    topic_id: str | None
    record: DatasetRecord | None

    @property
    def rows(self) -> int | None:
        """As registered."""
        return self.record.rows if self.record else None

    @property
    def digest(self) -> str | None:
        """What the events must have, if that is registered."""
        return self.record.digest if self.record else None

    def batches(self) -> Iterator[EventBatch]:
        """All events, in the slice's order.

        Raises:
            SliceTruncated: The log no longer holds all offsets.
            StreamError: They cannot be read, or are no events.
        """
        return self.reader(self.wanted)

    def describe(self) -> dict[str, Any]:
        """Cluster, offsets and codec, and the data set that they are."""
        return {
            "kind": "slice",
            "dataset_id": self.record.dataset_id if self.record else None,
            "cluster_id": self.cluster,
            "topic_id": self.topic_id,
            "slice": self.wanted.to_json(),
            "codec": self.codec,
        }


def slice_source(
    context: StageContext,
    wanted: SliceSet,
    learned: Sequence[Learned],
    *,
    cure: str = "",
) -> SliceSource:
    """The source that `wanted` names.

    Args:
        context: The broker, the store and the reader.
        wanted: A data set or offsets.
        learned: What the models to test were trained on.
        cure: What helps where they saw some of the events; empty for that of an evaluation.

    Raises:
        NotFound: There is no such data set.
        StreamError: The broker is another cluster than the one that holds it.
        SettingsError: A model was trained on some of the events, or these are no offsets.
    """
    if wanted.events.startswith(_DATASET):
        source = _of_dataset(context, wanted.events.removeprefix(_DATASET))
        known = [source.record] if source.record else []
    else:
        offsets = offsets_of(wanted.events.removeprefix(_SLICE))
        source, known = _of_offsets(context, offsets)
    check_slice(source.wanted, source.cluster, known, learned=learned, cure=cure)
    return source


def offsets_of(text: str) -> TopicSlice:
    """The slice that `<topic>/<partition>:<start>-<end>[/<partition>:…]` names.

    Raises:
        SettingsError: A partition comes twice, or ends before it begins.

    Example:
        >>> str(offsets_of("susy/1:5-45/0:0-45"))
        'susy 0:[0,45) 1:[5,45)'
    """
    topic, *spans = re.split("[,/]", text)
    numbers = (tuple(int(number) for number in re.split("[:-]", span)) for span in spans)
    return TopicSlice(topic, tuple(sorted((p, start, end) for p, start, end in numbers)))


def _of_dataset(context: StageContext, selector: str) -> SliceSource:
    record = context.store.load_dataset(selector)
    reader = open_reader(context, record)
    wanted = TopicSlice.from_json(record.slice)
    topic = topic_id(context.kafka, wanted.topic)
    return SliceSource(
        record.dataset_id, wanted, reader, record.codec, record.cluster_id, topic, record
    )


def _of_offsets(
    context: StageContext, wanted: TopicSlice
) -> tuple[SliceSource, list[DatasetRecord]]:
    """A source of offsets, and the data sets that hold some of them."""
    here = cluster_id(context.kafka)
    known = [
        record
        for record in context.store.list_datasets()
        if record.cluster_id == here and TopicSlice.from_json(record.slice).overlaps(wanted)
    ]
    same = [record for record in known if TopicSlice.from_json(record.slice) == wanted]
    topic = topic_id(context.kafka, wanted.topic)
    codec = _codec(context, wanted, known)
    reader = reader_of(context, codec)
    record = same[0] if same else None
    return SliceSource(wanted.topic, wanted, reader, codec.name, here, topic, record), known


def _codec(context: StageContext, wanted: TopicSlice, known: Sequence[DatasetRecord]) -> Codec:
    """The registered one; else that which the topic names itself; else that of the settings."""
    if known:
        return codec_named(known[0].codec, events_per_message=known[0].events_per_message)
    if stated := codec_at(context.kafka, wanted):
        return stated
    chosen = context.settings.stream.codec
    return codec_named(chosen.name, events_per_message=chosen.events_per_message)
