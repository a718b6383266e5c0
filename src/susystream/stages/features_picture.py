"""What prepared events look like beside real ones.

In: prepared events. Out: a picture of a bounded sample of them.
"""

from __future__ import annotations

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
    """The first training events, all features, beside the real rows shipped in the package.

    Real high-level columns are computed of the 10,499 rows' low-level ones, which gives what UCI
    has to a few parts in a million; but MET_rel is that of the 500 rows with all columns.
    Events that are real themselves, or may be as those of a file, stand alone: the shipped rows
    may be among them.
    """
    columns = parquet_columns(prepared.train)
    events = batch_of(parquet_frame(prepared.train, columns, 0, SAMPLE), 0)
    if prepared.source["kind"] != _SIMULATED:
        return features_figure(name, events, real=None)
    many = concatenate(list(RealLowLevelSource().batches()))
    real: dict[str, EventBatch] = dict.fromkeys(FEATURES, many)
    real[_NOT_COMPUTED] = concatenate(list(real_sample().batches()))
    return features_figure(name, events, real=real)
