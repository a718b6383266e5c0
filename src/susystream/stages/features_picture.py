"""What prepared events look like beside real ones.

In: events, or prepared ones. Out: a picture of them, or of a bounded sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from susystream.data.frames import batch_of, parquet_columns, parquet_frame
from susystream.data.prepared import Prepared
from susystream.data.source import RealLowLevelSource, real_sample
from susystream.plots.features import features_figure
from susystream.plots.style import Figure
from susystream.schema import FEATURES, EventBatch, concatenate

SAMPLE = 50_000  # events: five times the real ones, and no more memory for a larger set
_SIMULATED = "toy"  # the kind of a source
_NOT_COMPUTED = "MET_rel"  # the true one also uses jets, so only rows that have it will do


def features_picture(name: str, prepared: Prepared) -> Figure:
    """The first training events, all features, as `picture_of`."""
    columns = parquet_columns(prepared.train)
    events = batch_of(parquet_frame(prepared.train, columns, 0, SAMPLE), 0)
    return picture_of(name, events, source=prepared.source)


def picture_of(name: str, events: EventBatch, *, source: Mapping[str, Any]) -> Figure:
    """All features of events beside those of the real rows shipped in the package.

    Real high-level columns are computed of the 10,499 rows' low-level ones, which gives what UCI
    has to a few parts in a million; but MET_rel is that of the 500 rows with all columns.
    Events that are real themselves, or may be as those of a file, stand alone: the shipped rows
    may be among them.

    Args:
        name: Of the events.
        events: At least one.
        source: Where they come from, as their data set's record says it.

    Raises:
        DataError: There is no event.
    """
    if source.get("kind") != _SIMULATED:
        return features_figure(name, events, real=None)
    many = concatenate(list(RealLowLevelSource().batches()))
    real: dict[str, EventBatch] = dict.fromkeys(FEATURES, many)
    real[_NOT_COMPUTED] = concatenate(list(real_sample().batches()))
    return features_figure(name, events, real=real)
