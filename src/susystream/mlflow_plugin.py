"""The data sets of our runs, for `mlflow.data`: a plugin that MLflow finds by itself.

In: a data set input of a run. Out: `mlflow.data.get_source(input).load()` gives its events back.
MLflow loads this module whenever it is imported, so it imports nothing heavy; import MLflow first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from mlflow.data.dataset_source import DatasetSource

from susystream.errors import DocumentInvalid
from susystream.stated_security import stated_security

if TYPE_CHECKING:
    import polars as pl

    from susystream.schema import EventBatch

ADDRESS = "SUSYSTREAM_BOOTSTRAP_SERVERS"
_HOME = ("SUSYSTREAM_HOME", ".susystream")  # as in conf/config.yaml
_REFUSAL = "as text, which a notebook keeps; give {{{name!r}: 'env:VARIABLE'}}"


class _RecordedSource(DatasetSource):
    """What both kinds of source share: plain data, logged as the JSON of an input."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = dict(facts)

    def to_dict(self) -> dict[str, Any]:
        """As logged."""
        return dict(self._facts)

    @classmethod
    def from_dict(cls, source_dict: Any) -> _RecordedSource:
        """The source of logged data.

        Raises:
            DocumentInvalid: They are no mapping.
        """
        if not isinstance(source_dict, Mapping):
            raise DocumentInvalid(
                "expected the source of a data set as an object, received "
                f"{type(source_dict).__name__}; name another input of the run"
            )
        return cls(source_dict)

    @staticmethod
    def _can_resolve(raw_source: Any) -> bool:
        """No address or path of a person's is a source of ours: only what a run logged."""
        return False

    @classmethod
    def _resolve(cls, raw_source: Any) -> NoReturn:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._facts})"


class KafkaSliceSource(_RecordedSource):
    """Exactly recorded offsets of a Kafka topic."""

    @staticmethod
    def _get_source_type() -> str:
        return "kafka_slice"

    def load(
        self,
        *,
        bootstrap_servers: str | None = None,
        home: str | Path | None = None,
        security: Mapping[str, str] | None = None,
        event_numbers: bool = False,
    ) -> pl.DataFrame:
        """The events, proven by count and digest, in the slice's order.

        Args:
            bootstrap_servers: `host:port[,host:port]`; None: the embedded broker of `home` if that
                is given, else SUSYSTREAM_BOOTSTRAP_SERVERS, else the usual embedded one.
            home: Where an embedded broker keeps its data; None: SUSYSTREAM_HOME, or .susystream.
            security: By Kafka's own names, as in `stream.security`; a secret as `env:VARIABLE`.
            event_numbers: Whether to add the column `event_number` before the others.

        Returns:
            Columns `susystream.schema.COLUMNS`: the label as uint8, features as float32.

        Raises:
            SusystreamError: No broker or another cluster answers, the log no longer holds the
                events, or holds others; one line with the cure.
        """
        given = (bootstrap_servers, home, security)
        return _joined(self._events(*given), event_numbers=event_numbers)

    def batches(
        self,
        *,
        bootstrap_servers: str | None = None,
        home: str | Path | None = None,
        security: Mapping[str, str] | None = None,
        event_numbers: bool = False,
    ) -> Iterator[pl.DataFrame]:
        """As `load`, some thousand events at a time, for slices larger than memory.

        They are proven behind the last: whoever does not read to the end has no proof.
        """
        return _frames(self._events(bootstrap_servers, home, security), event_numbers)

    def _events(
        self,
        address: str | None,
        home: str | Path | None,
        security: Mapping[str, str] | None,
    ) -> Iterator[EventBatch]:
        from susystream.stages.recorded_events import open_broker, slice_events

        address = address or (os.environ.get(ADDRESS) if home is None else None)
        stated = stated_security(security or {}, refusal=_REFUSAL)
        with open_broker(address, home=_home(home), security=stated) as kafka:
            yield from slice_events(self._facts, kafka)


class EventsSource(_RecordedSource):
    """Events that lay in no slice: generated, shipped, prepared, or those of a file."""

    @staticmethod
    def _get_source_type() -> str:
        return "events"

    def load(
        self,
        *,
        path: str | Path | None = None,
        home: str | Path | None = None,
        event_numbers: bool = False,
    ) -> pl.DataFrame:
        """The events, proven by count and digest; made again if they came from a generator.

        Args:
            path: Of a file, or a glob; runs record no folders. Bad rows are passed over.
            home: Where prepared events lie, such as a holdout; None: SUSYSTREAM_HOME, or
                .susystream.
            event_numbers: Whether to add the column `event_number` before the others.

        Raises:
            SusystreamError: They cannot be made or read here, or are others; one line.
        """
        return _joined(self._events(path, home), event_numbers=event_numbers)

    def batches(
        self,
        *,
        path: str | Path | None = None,
        home: str | Path | None = None,
        event_numbers: bool = False,
    ) -> Iterator[pl.DataFrame]:
        """As `load`, some thousand events at a time; proven behind the last."""
        return _frames(self._events(path, home), event_numbers)

    def _events(self, path: str | Path | None, home: str | Path | None) -> Iterator[EventBatch]:
        from susystream.stages.recorded_events import other_events

        given = None if path is None else Path(path)
        yield from other_events(self._facts, given, home=_home(home))


def _home(given: str | Path | None) -> Path:
    return Path(given or os.environ.get(*_HOME))


def _frames(events: Iterator[EventBatch], event_numbers: bool) -> Iterator[pl.DataFrame]:
    import polars as pl

    from susystream.data.enlarge import frame_of
    from susystream.data.frames import EVENT_NUMBER
    from susystream.schema import LABEL

    for batch in events:
        frame = frame_of(batch).with_columns(pl.Series(LABEL, batch.labels))
        if event_numbers:
            frame = frame.insert_column(0, pl.Series(EVENT_NUMBER, batch.numbers))
        yield frame


def _joined(events: Iterator[EventBatch], *, event_numbers: bool) -> pl.DataFrame:
    import polars as pl

    from susystream.schema import EventBatch

    frames = list(_frames(events, event_numbers))
    return pl.concat([*_frames(iter([EventBatch.empty()]), event_numbers), *frames])
