"""Streaming events out of files of any size.

In: CSV or CSV.GZ in the UCI form (no header), or Parquet with the columns' names. Out: checked
batches. Polars parses in a stream; when anything is not as it should be, a second pass over the
text finds the first bad row and names its line, column and text (`susystream.data.sift`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from susystream.data.frames import (
    PARQUET,
    TEXT_SCHEMA,
    batch_of,
    first_bytes,
    opened_text,
    parquet_columns,
    parquet_rows,
)
from susystream.data.sift import first_bad_row
from susystream.errors import DataError
from susystream.schema import COLUMNS, EventBatch


def scan_events(
    path: Path, *, batch_rows: int = 131_072, start_number: int = 0, skip_rows: int = 0
) -> Iterator[EventBatch]:
    """The events of a file, in order.

    Args:
        path: CSV, CSV.GZ or Parquet; the file's first bytes decide, not its name.
        batch_rows: At most so many rows a batch.
        start_number: The first event's number, unless the file holds numbers.
        skip_rows: Rows passed over at the beginning, unchecked; they count in the numbers.

    Raises:
        BadRow: A row of text that is not label 0 or 1 and 18 finite numbers.
        DataError: No such file, one that cannot be read, an empty one, or one that is not what
            it should be.
    """
    head = first_bytes(path)
    if not head:
        raise DataError(f"expected events in {path}, received an empty file; give another")
    number = start_number + skip_rows
    frames = _frames(path, head, batch_rows, skip_rows)
    while (frame := _next(frames, path)) is not None:
        for part in frame.iter_slices(batch_rows):
            try:
                batch = batch_of(part, number)
            except (pl.exceptions.PolarsError, DataError) as error:
                raise _explained(path, error) from error
            yield batch  # outside the try: what the caller raises is not the file's fault
            number += part.height
    if number == start_number and head != PARQUET:
        raise DataError(f"expected events in {path}, received none; give another file")


def count_rows(path: Path) -> int:
    """How many events a file holds, by its lines (CSV) or its footer (Parquet).

    Raises:
        DataError: It cannot be read, or is damaged.
    """
    if first_bytes(path) == PARQUET:
        return parquet_rows(path)
    rows, last = 0, b"\n"
    with opened_text(path) as text:
        for chunk in iter(lambda: text.read(1 << 22), b""):
            rows, last = rows + chunk.count(b"\n"), chunk[-1:]
    return rows + (last != b"\n")  # the last line may lack its end


def _next(frames: Iterator[pl.DataFrame], path: Path) -> pl.DataFrame | None:
    try:
        return next(frames, None)
    except (pl.exceptions.PolarsError, DataError, OSError, EOFError) as error:
        raise _explained(path, error) from error


def _frames(path: Path, head: bytes, batch_rows: int, skip: int) -> Iterator[pl.DataFrame]:
    """Lazy to the first frame, so that every fault of the file shows in `_next`."""
    yield from (_parquet if head == PARQUET else _csv)(path, batch_rows, skip)


def _csv(path: Path, batch_rows: int, skip: int) -> Iterator[pl.DataFrame]:
    frame = pl.scan_csv(
        path,
        has_header=False,
        schema=TEXT_SCHEMA,
        quote_char=None,
        low_memory=True,
        skip_lines=skip,
        glob=False,
    )
    return frame.collect_batches(chunk_size=batch_rows, maintain_order=True)


def _parquet(path: Path, batch_rows: int, skip: int) -> Iterator[pl.DataFrame]:
    frame = pl.scan_parquet(path, glob=False).select(parquet_columns(path))
    if skip:  # a slice of Parquet passes over whole row groups unread; one of CSV would not
        frame = frame.slice(skip)
    return frame.collect_batches(chunk_size=batch_rows, maintain_order=True)


def _explained(path: Path, error: Exception) -> DataError:
    """The first bad row if there is one, else what went wrong on one line."""
    try:
        found = first_bad_row(path)
    except DataError as damage:
        return damage
    if found is not None:
        return found
    if isinstance(error, DataError):
        return DataError(f"{path}: {error}")
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return DataError(
        f"expected {len(COLUMNS)} columns of numbers in {path}, received: {first}; "
        "correct or replace the file"
    )
