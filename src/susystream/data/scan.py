"""Streaming events out of files of any size.

In: CSV or CSV.GZ in the UCI form (no header), or Parquet with the columns' names. Out: checked
batches. Polars parses in a stream; when anything is not as it should be, a slow pass over the
text finds the first bad row and names its line, column and text.
"""

from __future__ import annotations

import gzip
import math
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl

from susystream.errors import BadRow, DataError
from susystream.schema import COLUMNS, FEATURES, LABEL, EventBatch, Int64Array

EVENT_NUMBER = "event_number"
_PARQUET = b"PAR1"
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_LARGEST = float(np.finfo(np.float32).max)
_LONGEST_LINE = 1 << 20  # bytes; a longer one is no row, and must not fill the memory


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
    while (frame := _next(frames, path, head)) is not None:
        for part in frame.iter_slices(batch_rows):
            try:
                batch = events_of(part, number)
            except (pl.exceptions.PolarsError, DataError) as error:
                raise _explained(path, head, error) from error
            yield batch  # outside the try: what the caller raises is not the file's fault
            number += part.height
    if number == start_number and head != _PARQUET:
        raise DataError(f"expected events in {path}, received none; give another file")


def first_bytes(path: Path) -> bytes:
    """What tells one kind of file from another.

    Raises:
        DataError: There is no file, or none that can be read.
    """
    try:
        if not path.is_file():
            received = "a folder" if path.is_dir() else "none"
            raise DataError(f"expected a file at {path}, received {received}; correct the path")
        with path.open("rb") as file:
            return file.read(4)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise DataError(
            f"expected to read {path}, received: {reason}; allow it, or name another file"
        ) from error


def count_rows(path: Path) -> int:
    """How many events a file holds, by its lines (CSV) or its footer (Parquet)."""
    if first_bytes(path) == _PARQUET:
        return int(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())
    with _opened(path) as text:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: text.read(1 << 22), b""))


def _next(frames: Iterator[pl.DataFrame], path: Path, head: bytes) -> pl.DataFrame | None:
    try:
        return next(frames, None)
    except (pl.exceptions.PolarsError, DataError, OSError, EOFError) as error:
        raise _explained(path, head, error) from error


def _frames(path: Path, head: bytes, batch_rows: int, skip: int) -> Iterator[pl.DataFrame]:
    """Lazy to the first frame, so that every fault of the file shows in `_next`."""
    yield from (_parquet if head == _PARQUET else _csv)(path, batch_rows, skip)


def _csv(path: Path, batch_rows: int, skip: int) -> Iterator[pl.DataFrame]:
    """Labels as float32 too: UCI writes them as 1.000000000000000000e+00."""
    frame = pl.scan_csv(
        path,
        has_header=False,
        schema=dict.fromkeys(COLUMNS, pl.Float32),
        quote_char=None,
        low_memory=True,
        skip_lines=skip,
        glob=False,
    )
    return frame.collect_batches(chunk_size=batch_rows, maintain_order=True)


def _parquet(path: Path, batch_rows: int, skip: int) -> Iterator[pl.DataFrame]:
    schema = pl.read_parquet_schema(path)
    missing = [name for name in COLUMNS if name not in schema]
    if missing:
        raise DataError(f"expected columns {missing} as well, received {list(schema)[:30]}")
    wrong = {name: str(schema[name]) for name in FEATURES if schema[name] != pl.Float32}
    if wrong:  # rounding is the owner's decision, not ours
        raise DataError(
            f"expected Float32 features, received {dict(list(wrong.items())[:3])}; cast them"
        )
    if not schema[LABEL].is_numeric() or not schema.get(EVENT_NUMBER, pl.Int64()).is_integer():
        raise DataError("expected a numeric label and integer event numbers, received other types")
    numbered = [EVENT_NUMBER] if EVENT_NUMBER in schema else []
    frame = pl.scan_parquet(path, glob=False).select(*numbered, *COLUMNS)
    if skip:  # a slice of Parquet passes over whole row groups unread; one of CSV would not
        frame = frame.slice(skip)
    return frame.collect_batches(chunk_size=batch_rows, maintain_order=True)


def events_of(frame: pl.DataFrame, number: int) -> EventBatch:
    """The events of a frame, numbered from `number` unless it holds numbers.

    Raises:
        DataError: A field is empty or not finite, or a label neither 0 nor 1.
    """
    nulls = sum(frame.null_count().row(0))
    if nulls:
        raise DataError(f"expected 19 numbers in each row, received {nulls} empty fields")
    labels = frame[LABEL].to_numpy()
    if not ((labels == 0) | (labels == 1)).all():
        raise DataError("expected labels 0 or 1, received another")
    if EVENT_NUMBER in frame.columns:
        numbers = _numbers(frame[EVENT_NUMBER])
    else:
        numbers = np.arange(number, number + frame.height, dtype=np.int64)
    features = frame.select(FEATURES).to_numpy(order="c")
    return EventBatch(numbers, np.ascontiguousarray(features), labels.astype(np.uint8)).checked()


def _numbers(column: pl.Series) -> Int64Array:
    try:
        return column.cast(pl.Int64).to_numpy()
    except pl.exceptions.InvalidOperationError as error:
        raise DataError("expected event numbers below 2^63, received larger ones") from error


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
    if isinstance(error, DataError):
        return DataError(f"{path}: {error}")
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return DataError(
        f"expected {len(COLUMNS)} columns of numbers in {path}, received: {first}; "
        "correct or replace the file"
    )


def find_bad_row(path: Path) -> None:
    """The slow, obvious reading: raises at the first row that is not 19 good numbers.

    Raises:
        BadRow: That row.
    """
    with _opened(path) as file:
        lines = iter(lambda: file.readline(_LONGEST_LINE), b"")
        for line, raw in enumerate(lines, 1):
            text = raw.decode("utf-8-sig" if line == 1 else "utf-8", "backslashreplace")
            if len(raw) == _LONGEST_LINE:
                raise BadRow(str(path), line, "length of the row", text, "at most 1 MiB")
            check_row(str(path), line, text.rstrip("\r\n"))


def check_row(path: str, line: int, row: str) -> None:
    """The slow, obvious reading of one row.

    Raises:
        BadRow: It is not 19 good numbers.
    """
    fields = row.split(",") if row else []
    if len(fields) != len(COLUMNS):
        expected = f"{len(COLUMNS)} columns, not {len(fields)}"
        raise BadRow(path, line, "number of columns", row, expected)
    for name, text in zip(COLUMNS, fields, strict=True):
        wrong = _fault(name, text)
        if wrong:
            raise BadRow(path, line, name, text, wrong)


def _fault(name: str, text: str) -> str | None:
    """What should have stood in a field, if it holds something else."""
    try:
        value = float(text)
    except ValueError:
        return "a number"
    if not math.isfinite(value) or abs(value) > _LARGEST:
        return "a finite float32"
    if not _NUMBER.fullmatch(text):  # Python reads 1_0 and other scripts' digits
        return "a number"
    return "0 or 1" if name == LABEL and value not in (0.0, 1.0) else None


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if zipped else path.open("rb")  # type: ignore[return-value]
