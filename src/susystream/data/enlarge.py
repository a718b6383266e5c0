"""Writing test files of any size by streaming.

In: batches, or a file. Out: a CSV in the UCI form or Parquet with the columns' names, complete or
not there at all.
"""

from __future__ import annotations

import codecs
import glob
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pyarrow.parquet as pq

from susystream.data.frames import EVENT_NUMBER, GZIP, PARQUET, first_bytes
from susystream.errors import DataError
from susystream.schema import FEATURES, LABEL, EventBatch

_PIECE = 1 << 24  # bytes copied at once

Progress = Callable[[int], None]


def write_events(batches: Iterable[EventBatch], path: Path, *, progress: Progress) -> int:
    """Writes events in the form that the path's ending names: `.csv` or `.parquet`.

    Returns:
        The number of rows.

    Raises:
        DataError: The ending names no form.
    """
    writers = {".csv": write_csv, ".parquet": write_parquet}
    if path.suffix not in writers:
        raise DataError(
            f"expected a path that ends in .csv or .parquet, received {path.name!r}; rename it"
        )
    return writers[path.suffix](batches, path, progress=progress)


def write_csv(batches: Iterable[EventBatch], path: Path, *, progress: Progress) -> int:
    """Writes events as UCI does: no header, `%.18e`, from which each float32 comes back exactly.

    Returns:
        The number of rows.
    """
    rows = 0
    with _whole(path) as draft, draft.open("wb") as file:
        for batch in batches:
            frame_of(batch).write_csv(
                file, include_header=False, float_scientific=True, float_precision=18
            )
            rows += len(batch)
            progress(rows)
    return rows


def write_parquet(
    batches: Iterable[EventBatch], path: Path, *, progress: Progress, numbered: bool = False
) -> int:
    """Writes events as float32 columns, a row group a batch, their numbers too if `numbered`.

    Returns:
        The number of rows.
    """

    def table(batch: EventBatch) -> Any:
        frame = frame_of(batch)
        if numbered:
            frame = frame.insert_column(0, pl.Series(EVENT_NUMBER, batch.numbers))
        return frame.to_arrow()

    rows = 0
    schema = table(EventBatch.empty()).schema
    with _whole(path) as draft, pq.ParquetWriter(draft, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_table(table(batch))
            rows += len(batch)
            progress(rows)
    return rows


def repeat_text(source: Path, times: int, path: Path, *, progress: Progress) -> int:
    """Writes the text of a CSV so many times, as the report enlarged the UCI file 15 times.

    A byte order mark is left out: within a file it would be part of a number.

    Args:
        source: Plain text in the UCI form; its rows are not looked at.
        times: How often, at least once.
        path: Where to.
        progress: Called with the bytes written so far.

    Returns:
        The number of bytes.

    Raises:
        DataError: There is no such file, or it is empty or compressed; or `path` is that file, or
            ends in something else than .csv.
    """
    _check_text(source, times)
    _check_target(path, source)
    done = 0
    with _whole(path) as draft, draft.open("wb") as target:
        for _ in range(times):
            last = b""
            for piece in _pieces(source):
                target.write(piece)
                done, last = done + len(piece), piece
                progress(done)
            if not last.endswith(b"\n"):  # or the first row would go on in the last one
                done += target.write(b"\n")
    return done


def frame_of(batch: EventBatch) -> pl.DataFrame:
    """The events as a frame: the label as float, like UCI's, then the features."""
    frame = pl.DataFrame(batch.features, schema=list(FEATURES), orient="row")
    return frame.insert_column(0, pl.Series(LABEL, batch.labels).cast(pl.Float32))


def _check_text(source: Path, times: int) -> None:
    if times < 1:
        raise DataError(f"expected to repeat a file at least once, received {times}")
    head = first_bytes(source)
    if not head.removeprefix(codecs.BOM_UTF8):
        raise DataError(f"expected a file with rows at {source}, received none; give another")
    if head.startswith((GZIP, PARQUET)) or source.suffix == ".parquet":
        raise DataError(f"expected plain text at {source}, received another form; unpack it")


def _check_target(path: Path, source: Path) -> None:
    if path.suffix != ".csv":
        raise DataError(
            f"expected a path that ends in .csv for repeated text, received {path.name!r}; "
            "rename it, or write toy events as Parquet with --rows"
        )
    if path.exists() and path.samefile(source):
        raise DataError(f"expected another file than {source} to write to, received it; rename it")


def _pieces(source: Path) -> Iterator[bytes]:
    with source.open("rb") as file:
        if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
            file.seek(0)
        yield from iter(lambda: file.read(_PIECE), b"")


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A draft that gets the path's name when the block succeeds; those of the dead are removed."""
    for left in path.parent.glob(f"{glob.escape(path.name)}.*.part"):
        pid = left.name.split(".")[-2]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            left.unlink(missing_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield draft
        draft.replace(path)
    finally:
        try:
            draft.unlink(missing_ok=True)
        except KeyboardInterrupt:  # polars turns one Ctrl-C into two
            draft.unlink(missing_ok=True)
            raise
