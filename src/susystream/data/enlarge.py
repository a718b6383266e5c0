"""Writing test files of any size by streaming.

In: batches. Out: a CSV in the UCI form, complete or not there at all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import polars as pl

from susystream.schema import FEATURES, LABEL, EventBatch


def write_csv(batches: Iterable[EventBatch], path: Path, *, progress: Callable[[int], None]) -> int:
    """Writes events as UCI does: no header, `%.18e`, from which each float32 comes back exactly.

    The file appears under its name only when it is whole.

    Returns:
        The number of rows.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    rows = 0
    try:
        with draft.open("wb") as file:
            for batch in batches:
                frame_of(batch).write_csv(
                    file, include_header=False, float_scientific=True, float_precision=18
                )
                rows += len(batch)
                progress(rows)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return rows


def frame_of(batch: EventBatch) -> pl.DataFrame:
    """The events as a frame: the label as float, like UCI's, then the features."""
    frame = pl.DataFrame(batch.features, schema=list(FEATURES), orient="row")
    return frame.insert_column(0, pl.Series(LABEL, batch.labels).cast(pl.Float32))
