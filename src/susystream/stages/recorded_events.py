"""The events a run was given, read back from where they lie.

In: what a data set input of a run says of its source, as plain data; a broker, or a file. Out:
batches, proven by count and digest once the last was given.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from operator import index
from pathlib import Path
from typing import Any

from susystream.data.files import FilesSource, is_glob, matching, sifted_events
from susystream.data.prepared import part_with
from susystream.data.source import FileSource, RealLowLevelSource, ToySource, real_sample
from susystream.errors import (
    BadMessage,
    DataError,
    DigestMismatch,
    DocumentInvalid,
    ServiceError,
    SettingsError,
    StreamError,
    SusystreamError,
)
from susystream.schema import EventBatch
from susystream.services.broker import embedded_broker
from susystream.stream.codec import Codec, Message, codec_named
from susystream.stream.connection import KafkaConnection
from susystream.stream.consumer import KafkaReader
from susystream.stream.ordering import Place, refuse
from susystream.stream.slices import ContentDigest, TopicSlice
from susystream.stream.topics import cluster_id

_CURE = "give bootstrap_servers= or home=, or set SUSYSTREAM_BOOTSTRAP_SERVERS"
_BEFORE = "this input was recorded without a count and a digest: its events are not proven"
_log = logging.getLogger(__name__)
Facts = Mapping[str, Any]


@contextmanager
def open_broker(
    address: str | None, *, home: Path, security: Mapping[str, str]
) -> Iterator[KafkaConnection]:
    """The broker at an address; without one, the embedded one of a home folder.

    Raises:
        ServiceError: That folder holds no broker's data: a new broker would hold no events either.
    """
    if address:
        yield KafkaConnection(address, security=security)
        return
    if not (home / "kafka").is_dir():
        raise ServiceError(
            f"expected an embedded broker's data in {home / 'kafka'}, received none; {_CURE}"
        )
    with embedded_broker(home) as embedded:
        yield KafkaConnection(embedded, security=security)


def slice_events(facts: Facts, kafka: KafkaConnection) -> Iterator[EventBatch]:
    """The events of a slice, in its order.

    Args:
        facts: `cluster_id`, `slice` and `codec`; `rows` and `digest`, which prove the events. A run
            of before they were recorded has none; that is told in the log.
        kafka: The broker.

    Raises:
        DocumentInvalid: The facts are not whole.
        StreamError: Another cluster answers, or the events cannot be read.
        SliceTruncated: The log no longer holds all offsets.
        DigestMismatch: After the last batch: they are other events.
    """
    wanted, codec, cluster = _slice_of(facts)
    here = cluster_id(kafka)
    if here != cluster:
        raise StreamError(
            f"expected Kafka cluster {cluster}, which holds {wanted}, received {here} at "
            f"{kafka.bootstrap_servers}; {_CURE}"
        )
    reader = KafkaReader(kafka, codec, on_bad=_pass_over if "digest" in facts else refuse)
    yield from _proven(reader.batches(wanted), facts, str(wanted), DigestMismatch)


def other_events(facts: Facts, path: Path | None, *, home: Path) -> Iterator[EventBatch]:
    """Events that lay in no slice: generated, shipped, prepared, or those of a file.

    Rows of a file that are no events are passed over and told, where a digest proves the others:
    an evaluation may have passed over them too.

    Args:
        facts: `kind` and what else identifies them; `rows` and `digest`, which prove them.
        path: The file, or a glob; a run records no folder, which is nobody else's.
        home: Where events that were prepared are looked for, by their digest.

    Raises:
        DocumentInvalid: The facts are not whole.
        DataError: They cannot be made or read here, or, after the last batch, are other events.
    """
    name = f"{facts.get('kind')} events"
    try:
        events = _source_of(facts, path, home)
    except (KeyError, TypeError, ValueError) as error:
        raise _not_whole(facts) from error
    yield from _proven(events(), facts, name if path is None else str(path), DataError)


def _slice_of(facts: Facts) -> tuple[TopicSlice, Codec, str]:
    try:
        codec = codec_named(str(facts["codec"]))
        return TopicSlice.from_json(facts["slice"]), codec, str(facts["cluster_id"])
    except (KeyError, DocumentInvalid, SettingsError) as error:
        raise _not_whole(facts) from error


def _pass_over(place: Place, message: Message, error: BadMessage) -> None:
    """What was no event for the run, which set it aside, is none here; the digest proves the rest.

    One that was an event then is missing now, so the digest shows that too.
    """


def _source_of(facts: Facts, path: Path | None, home: Path) -> Callable[[], Iterator[EventBatch]]:
    kind = str(facts["kind"])
    if path is not None:
        files = _files(path, None if facts.get("limit") is None else index(facts["limit"]))
        return partial(_good_events, files) if "digest" in facts else files.batches
    part = facts.get("part")
    match kind:
        case "toy":
            rows, seed, offset = (index(facts[name]) for name in ("rows", "seed", "offset"))
            return _Toy(ToySource(rows, seed, offset=offset)).batches
        case "real_sample" if part is None:
            return real_sample().batches
        case "real_low_level" if part is None:
            return RealLowLevelSource().batches
        case "holdout" | "real_sample" | "real_low_level":
            return FileSource(_prepared(facts, home)).batches
        case "file" if part is not None:
            return FileSource(_prepared(facts, home)).batches
    raise DataError(
        f"expected path=, where {facts.get('file', 'the file')} of this {kind} set lies here, "
        "received none; runs record no folders: give the file, or the glob"
    )


def _prepared(facts: Facts, home: Path) -> Path:
    """The file of a part that was prepared."""
    under = home / "data"
    found = part_with(str(facts["digest"]), under=under)
    if found is None:
        raise DataError(
            f"expected the events of this {facts['kind']} set below {under}, where a chain "
            "prepares them, received none with their digest; give home= as it was in the run, or "
            "path= of a copy of train.parquet or test.parquet"
        )
    return found


def _files(path: Path, limit: int | None) -> FileSource | FilesSource:
    if is_glob(path):
        return FilesSource(path, matching(path), path.name, None, limit)
    return FileSource(path, limit=limit)


def _good_events(files: FileSource | FilesSource) -> Iterator[EventBatch]:
    """The rows that are events; the others are counted."""
    bad = 0
    for part in sifted_events(files):
        bad += len(part) - len(part.events)
        yield part.events
    if bad:
        _log.warning("%s: bad rows passed over: %d", files.place, bad)


@dataclass(frozen=True, slots=True)
class _Toy:
    """Toy events as a test set has them: numbered from 0, as the rows of the file it is."""

    source: ToySource

    def batches(self) -> Iterator[EventBatch]:
        for batch in self.source.batches():
            numbers = batch.numbers - self.source.offset
            yield EventBatch(numbers, batch.features, batch.labels)


def _proven(
    batches: Iterator[EventBatch], facts: Facts, place: str, kind: type[SusystreamError]
) -> Iterator[EventBatch]:
    """All batches; then an error if they were not those of the facts."""
    stated = facts.get("rows"), facts.get("digest")
    if "digest" in facts and [type(one) for one in stated] != [int, str]:
        raise _not_whole(facts)
    found = ContentDigest()
    for batch in batches:
        found = found.update(batch)
        yield batch
    if "digest" not in facts:
        _log.warning(_BEFORE)
    elif (found.rows, str(found)) != stated:
        raise kind(
            f"expected {facts['rows']:,} events with digest {facts['digest']} in {place}, received "
            f"{found.rows:,} with {found}; these are not the events of the run: look for them "
            "elsewhere"
        )


def _not_whole(facts: Facts) -> DocumentInvalid:
    return DocumentInvalid(
        f"expected the source of a data set that susystream logged, received one with "
        f"{', '.join(sorted(map(str, facts))) or 'none'}; name another input of the run"
    )
