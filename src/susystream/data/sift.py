"""Reading blocks: strictly, or with bad rows set aside and counted.

In: a block. Out: its events, and each row that is none, by line, column and text. A piece of text
is parsed whole; only where that fails it is halved, until few rows are left to look at one by one.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from susystream.data.blocks import Block, RowRange, Text, TextRange, blocks_of, content_of
from susystream.data.frames import TEXT_SCHEMA, batch_of, parquet_columns
from susystream.data.rows import LONGEST_LINE, Fault, fault_of
from susystream.errors import BadRow, DataError
from susystream.schema import FEATURES, LABEL, EventBatch, Int64Array, concatenate

_FEW = 256  # rows: looking at each costs as much as parsing some more halves
_UNREADABLE = Fault("row", "", "19 numbers")


@dataclass(frozen=True, slots=True)
class BadLine:
    """A row that is no event.

    Attributes:
        row: Its number in its block, from 0.
        fault: What is wrong with it.
    """

    row: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class Sifted:
    """What a block holds.

    Attributes:
        events: The good rows; their numbers are those of the file if it holds numbers.
        places: Which row of the block each event is, int64, ascending.
        rows: How many rows the block has, good and bad.
        bad: The others, in order.
        numbered: Whether the file holds event numbers.
    """

    events: EventBatch
    places: Int64Array
    rows: int
    bad: tuple[BadLine, ...]
    numbered: bool = False


def sifted(block: Block) -> Sifted:
    """A block's events and bad rows.

    Raises:
        BadRow: A line has no end.
        DataError: The file is not what it should be as a whole.
    """
    if isinstance(block, RowRange):
        return _of_parquet(block)
    return _of_text(block)


def first_bad_row(path: Path) -> BadRow | None:
    """The first bad row of a file of text, if there is one.

    Raises:
        DataError: The file is damaged.
    """
    lines = 0
    for block in blocks_of(path):
        found = sifted(block)
        if found.bad:
            return bad_row(path, lines, found.bad[0])
        lines += found.rows
    return None


def bad_row(path: Path, rows_before: int, bad: BadLine) -> BadRow:
    """The error that a bad row is where none is allowed."""
    return BadRow(str(path), rows_before + bad.row + 1, *bad.fault)


def _of_text(block: TextRange | Text) -> Sifted:
    content = content_of(block)
    rows = content.count(b"\n") + (not content.endswith(b"\n"))
    whole = _strict(content, rows, first=block.start == 0)
    if whole is not None:
        return Sifted(whole, whole.numbers, len(whole), ())
    lines = content.split(b"\n")
    if not lines[-1]:
        del lines[-1]
    bad: list[BadLine] = []
    events = concatenate(list(_halved(lines, 0, block, bad)))
    return Sifted(events, events.numbers, len(lines), tuple(bad))


def _strict(text: bytes, rows: int, *, first: bool) -> EventBatch | None:
    """The events of some lines, numbered from 0; None if a line is none."""
    if not first and text.startswith(codecs.BOM_UTF8):
        return None  # polars passes over it wherever its input begins; only a file may
    try:
        frame = pl.read_csv(text, has_header=False, schema=TEXT_SCHEMA, quote_char=None)
        return batch_of(frame, 0) if frame.height == rows else None
    except (pl.exceptions.PolarsError, DataError):
        return None


def _halved(
    lines: list[bytes], first: int, block: TextRange | Text, bad: list[BadLine]
) -> Iterator[EventBatch]:
    """The events of lines from number `first` on; bad ones are appended to `bad`."""
    if not lines:
        return
    if len(lines) <= _FEW:
        yield from _one_by_one(lines, first, block, bad)
        return
    at_start = first == block.start == 0
    whole = _strict(b"\n".join(lines) + b"\n", len(lines), first=at_start)
    if whole is not None:
        yield EventBatch(whole.numbers + first, whole.features, whole.labels)
        return
    middle = len(lines) // 2
    yield from _halved(lines[:middle], first, block, bad)
    yield from _halved(lines[middle:], first + middle, block, bad)


def _one_by_one(
    lines: list[bytes], first: int, block: TextRange | Text, bad: list[BadLine]
) -> Iterator[EventBatch]:
    for row, line in enumerate(lines, first):
        if len(line) >= LONGEST_LINE:  # where the next row begins is not known
            raise BadRow(str(block.path), row + 1, "length of the row", "", "at most 1 MiB")
        at_start = row == block.start == 0
        fault = fault_of(line, first=at_start)
        event = None if fault else _strict(line + b"\n", 1, first=at_start)
        if event is None:
            bad.append(BadLine(row, fault or _UNREADABLE._replace(text=line.decode("latin-1"))))
        else:
            yield EventBatch(event.numbers + row, event.features, event.labels)


def _of_parquet(block: RowRange) -> Sifted:
    columns = parquet_columns(block.path)
    rows = block.stop - block.start
    frame = (
        pl.scan_parquet(block.path, glob=False).select(columns).slice(block.start, rows).collect()
    )
    if frame.height != rows:
        raise DataError(
            f"expected rows {block.start} to {block.stop} of {block.path}, received "
            f"{frame.height} of them; the file was changed: run again"
        )
    frame = frame.with_row_index("row")
    good = frame.filter(pl.all_horizontal(_is_event(name) for name in (LABEL, *FEATURES)))
    places = good["row"].to_numpy().astype(np.int64)
    wrong = frame.join(good.select("row"), on="row", how="anti", maintain_order="left")
    bad = tuple(_bad_lines(wrong))
    return Sifted(batch_of(good.drop("row"), 0), places, rows, bad, columns[0] != LABEL)


def _is_event(name: str) -> pl.Expr:
    value = pl.col(name)
    allowed = (value == 0) | (value == 1) if name == LABEL else value.is_finite()
    return allowed.fill_null(value=False)


def _bad_lines(frame: pl.DataFrame) -> Iterator[BadLine]:
    for values in frame.iter_rows(named=True):
        for name in (LABEL, *FEATURES):
            value = values[name]
            expected = "0 or 1" if name == LABEL else "a finite float32"
            good = value in (0, 1) if name == LABEL else value is not None and np.isfinite(value)
            if not good:
                yield BadLine(values["row"], Fault(name, str(value), expected))
                break
