"""Between Polars' frames and checked batches, for text and for Parquet.

In: a file's first bytes, or a frame of its rows. Out: what kind of file it is, or a checked batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

import numpy as np
import polars as pl

from susystream.data.unpacked import open_packed
from susystream.errors import DataError
from susystream.schema import COLUMNS, FEATURES, LABEL, EventBatch, Float32Array, Int64Array

EVENT_NUMBER = "event_number"
PARQUET = b"PAR1"
GZIP = b"\x1f\x8b"
# what polars would unpack, or may learn to: some readers of ours could read it and others not
_OTHERS = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x78\x01": "zlib",
    b"\x78\x9c": "zlib",
    b"\x78\xda": "zlib",
    b"BZh": "bzip2",
    b"\xfd7zX": "xz",
    b"\x04\x22\x4d\x18": "lz4",
    b"PK\x03\x04": "zip",
    b"7z\xbc\xaf": "7z",
}
# labels as float32 too: UCI writes them as 1.000000000000000000e+00
TEXT_SCHEMA = dict.fromkeys(COLUMNS, pl.Float32)


def first_bytes(path: Path) -> bytes:
    """What tells one kind of file from another.

    Raises:
        DataError: There is no file, or none that can be read, or one packed otherwise than by gzip.
    """
    head = _head(path)
    kind = compression(head)
    if kind not in (None, "gzip"):
        raise DataError(
            f"expected CSV, CSV.GZ or Parquet in {path}, received {kind}; unpack it first"
        )
    return head


def compression(head: bytes) -> str | None:
    """How what begins so is packed, if it is."""
    kinds = {GZIP: "gzip", **_OTHERS}
    return next((kind for mark, kind in kinds.items() if head.startswith(mark)), None)


def _head(path: Path) -> bytes:
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


def opened_text(path: Path) -> BufferedReader:
    """A file of text, unpacked if it is packed.

    Raises:
        DataError: There is none, or it is packed and damaged; while it is read, too.
    """
    return open_packed(path) if first_bytes(path).startswith(GZIP) else path.open("rb")


def parquet_columns(path: Path) -> list[str]:
    """The columns to read of a Parquet file, the event numbers first if it has them.

    Raises:
        DataError: A column is missing or of another type.
    """
    with _parquet_errors(path):
        schema = pl.read_parquet_schema(path)
    missing = [name for name in COLUMNS if name not in schema]
    if missing:
        raise DataError(f"{path}: expected columns {missing} too, received {list(schema)[:30]}")
    wrong = {name: str(schema[name]) for name in FEATURES if schema[name] != pl.Float32}
    if wrong:  # rounding is the owner's decision, not ours
        shown = dict(list(wrong.items())[:3])
        raise DataError(f"{path}: expected Float32 features, received {shown}; cast them")
    if not schema[LABEL].is_numeric() or not schema.get(EVENT_NUMBER, pl.Int64()).is_integer():
        raise DataError(
            f"{path}: expected a numeric label and integer event numbers, received other types"
        )
    return [*([EVENT_NUMBER] if EVENT_NUMBER in schema else []), *COLUMNS]


def parquet_rows(path: Path) -> int:
    """How many rows a Parquet file states.

    Raises:
        DataError: It is damaged.
    """
    with _parquet_errors(path):
        return int(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())


def parquet_frame(path: Path, columns: list[str], start: int, rows: int) -> pl.DataFrame:
    """Some rows of a Parquet file.

    Raises:
        DataError: It is damaged.
    """
    with _parquet_errors(path):
        return pl.scan_parquet(path, glob=False).select(columns).slice(start, rows).collect()


@contextmanager
def _parquet_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"expected a whole Parquet file at {path}, received: {first}; write or fetch it again"
        ) from error


def batch_of(frame: pl.DataFrame, number: int) -> EventBatch:
    """The events of a frame; `number` is the first one's unless the frame holds numbers.

    Raises:
        DataError: A value is missing, not finite, or no label.
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


def events_of(frame: pl.DataFrame) -> pl.DataFrame:
    """Label and features of a person's own frame, in our types; other columns are left out.

    Raises:
        DataError: A column is missing, or holds no numbers.
    """
    _check_numbers(frame, (LABEL, *FEATURES))
    return frame.select(pl.col(LABEL), pl.col(FEATURES).cast(pl.Float32, strict=False))


def features_of(frame: pl.DataFrame) -> Float32Array:
    """The features of events that need no label, float32, shape (n, 18), C order.

    Raises:
        DataError: A column is missing, or a value is no finite number.
    """
    _check_numbers(frame, FEATURES)
    numbers = frame.select(pl.col(FEATURES).cast(pl.Float32, strict=False))
    features = np.ascontiguousarray(numbers.to_numpy(order="c"), np.float32)
    wrong = len(features) - int(np.isfinite(features).all(axis=1).sum())
    if wrong:
        raise DataError(
            f"expected finite numbers, received others in {wrong} of {len(features)} events; "
            "correct or remove them"
        )
    return features


def _check_numbers(frame: pl.DataFrame, names: Sequence[str]) -> None:
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise DataError(f"expected columns {missing} too, received {frame.columns[:30]}; add them")
    for name in names:
        kind = frame[name].dtype
        if not kind.is_numeric() and kind != pl.Null:
            raise DataError(f"expected numbers in column {name!r}, received {kind}; convert it")


def _numbers(column: pl.Series) -> Int64Array:
    try:
        numbers: Int64Array = column.cast(pl.Int64).to_numpy()
    except pl.exceptions.InvalidOperationError as error:
        raise DataError("expected event numbers below 2^63, received larger ones") from error
    return numbers
