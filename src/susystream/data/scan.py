"""Streaming events out of files of any size.

In: CSV or CSV.GZ in the UCI form (no header), or Parquet with the columns' names. Out: checked
batches. Polars parses in a stream; when anything is not as it should be, a slow pass over the
text finds the first bad row and names its line, column and text.
"""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl

from susystream.errors import BadRow, DataError
from susystream.schema import COLUMNS, FEATURES, LABEL, EventBatch

EVENT_NUMBER = "event_number"
_PARQUET = b"PAR1"


def scan_events(
    path: Path, *, batch_rows: int = 131_072, start_number: int = 0
) -> Iterator[EventBatch]:
    """The events of a file, in order.

    Args:
        path: CSV, CSV.GZ or Parquet; the file's first bytes decide, not its name.
        batch_rows: At most so many rows a batch.
        start_number: The first event's number, unless the file holds numbers.

    Raises:
        BadRow: A row of text that is not label 0 or 1 and 18 finite numbers.
        DataError: No such file, an empty one, or one that is not what it should be.
    """
    if not path.is_file():
        raise DataError(f"expected a file at {path}, received none; correct the path")
    with path.open("rb") as file:
        head = file.read(4)
    if not head:
        raise DataError(f"expected events in {path}, received an empty file; give another")
    frames = _parquet(path, batch_rows) if head == _PARQUET else _csv(path, batch_rows)
    number = start_number
    try:
        for frame in frames:
            for part in frame.iter_slices(batch_rows):
                yield _batch(part, number)
                number += part.height
    except (pl.exceptions.PolarsError, DataError, OSError, EOFError) as error:
        raise _explained(path, head, error) from error


def count_rows(path: Path) -> int:
    """How many events a file holds, by its lines (CSV) or its footer (Parquet)."""
    with path.open("rb") as file:
        head = file.read(4)
    if head == _PARQUET:
        return int(pl.scan_parquet(path).select(pl.len()).collect().item())
    with _opened(path) as text:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: text.read(1 << 22), b""))


def _csv(path: Path, batch_rows: int) -> Iterator[pl.DataFrame]:
    """Labels as float32 too: UCI writes them as 1.000000000000000000e+00."""
    frame = pl.scan_csv(
        path,
        has_header=False,
        schema=dict.fromkeys(COLUMNS, pl.Float32),
        quote_char=None,
        low_memory=True,
    )
    return frame.collect_batches(chunk_size=batch_rows, maintain_order=True)


def _parquet(path: Path, batch_rows: int) -> Iterator[pl.DataFrame]:
    schema = pl.read_parquet_schema(path)
    missing = [name for name in COLUMNS if name not in schema]
    if missing:
        raise DataError(f"expected columns {missing} in {path}, received {list(schema)[:30]}")
    numbered = [EVENT_NUMBER] if EVENT_NUMBER in schema else []
    frame = pl.scan_parquet(path).select(*numbered, *COLUMNS)
    return frame.collect_batches(chunk_size=batch_rows, maintain_order=True)


def _batch(frame: pl.DataFrame, number: int) -> EventBatch:
    nulls = sum(frame.null_count().row(0))
    if nulls:
        raise DataError(f"expected 19 numbers in each row, received {nulls} empty fields")
    labels = frame[LABEL].to_numpy()
    if not ((labels == 0) | (labels == 1)).all():
        raise DataError("expected labels 0 or 1, received another")
    if EVENT_NUMBER in frame.columns:
        numbers = frame[EVENT_NUMBER].cast(pl.Int64).to_numpy()
    else:
        numbers = np.arange(number, number + frame.height, dtype=np.int64)
    features = frame.select(FEATURES).cast(pl.Float32).to_numpy(order="c")
    return EventBatch(numbers, np.ascontiguousarray(features), labels.astype(np.uint8)).checked()


def _explained(path: Path, head: bytes, error: Exception) -> DataError:
    """The first bad row if there is one, else what went wrong on one line."""
    if head != _PARQUET:
        try:
            find_bad_row(path)
        except BadRow as found:
            return found
        except (EOFError, OSError, zlib.error) as damage:
            return DataError(
                f"expected a whole file at {path}, received one that ends early or is damaged "
                f"({damage}); fetch it again"
            )
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return DataError(f"expected {len(COLUMNS)} columns of numbers in {path}, received: {first}")


def find_bad_row(path: Path) -> None:
    """The slow, obvious reading: raises at the first row that is not 19 good numbers.

    Raises:
        BadRow: That row.
    """
    with _opened(path) as file:
        text = (raw.decode("utf-8", "replace") for raw in file)
        for line, row in enumerate(csv.reader(text, quoting=csv.QUOTE_NONE), 1):
            _check_row(str(path), line, row)


def _check_row(path: str, line: int, row: list[str]) -> None:
    if len(row) != len(COLUMNS):
        expected = f"{len(COLUMNS)} columns, not {len(row)}"
        raise BadRow(path, line, "number of columns", ",".join(row), expected)
    for name, text in zip(COLUMNS, row, strict=True):
        try:
            value = float(text)
        except ValueError:
            raise BadRow(path, line, name, text, "a number") from None
        if not math.isfinite(np.float32(value)):
            raise BadRow(path, line, name, text, "a finite number")
        if name == LABEL and value not in (0.0, 1.0):
            raise BadRow(path, line, name, text, "0 or 1")


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if zipped else path.open("rb")  # type: ignore[return-value]
