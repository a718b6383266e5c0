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

from susystream.data.blocks import (
    Block,
    RowRange,
    Text,
    TextRange,
    blocks_of,
    content_of,
    lines_before,
)
from susystream.data.frames import (
    EVENT_NUMBER,
    TEXT_SCHEMA,
    batch_of,
    compression,
    parquet_columns,
    parquet_frame,
)
from susystream.data.rows import LONGEST_LINE, Fault, fault_of, is_usual
from susystream.errors import BadRow, DataError
from susystream.schema import LABEL, EventBatch, Int64Array, concatenate

SAMPLED = 1000  # bad rows of a block, or of a window, that are kept; the others are counted
_LONGEST_TEXT = 200  # characters of a bad row
_FEW = 4096  # rows: a quick look at each costs less than parsing halves again and again
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
        bad: The first of the others, in order.
        numbered: Whether the file holds event numbers.
    """

    events: EventBatch
    places: Int64Array
    rows: int
    bad: tuple[BadLine, ...]
    numbered: bool = False


def sifted(block: Block, *, most_bad: int = SAMPLED) -> Sifted:
    """A block's events and bad rows.

    Args:
        block: What to read.
        most_bad: So many bad rows are kept; 1 ends at the first, and what is behind it is not read.

    Raises:
        BadRow: A line has no end.
        DataError: The file is not what it should be as a whole.
    """
    if isinstance(block, RowRange):
        return _of_parquet(block, most_bad)
    return _of_text(block, most_bad)


def events_of(text: bytes, rows: int, *, number: int, at_start: bool) -> EventBatch | None:
    """The events of so many lines of text, if every line is one.

    Args:
        text: Lines as they stand in a file.
        rows: How many they are.
        number: Of the first event.
        at_start: Whether a file begins with them.
    """
    if compression(text[:4]) or (not at_start and text.startswith(codecs.BOM_UTF8)):
        return None  # polars would unpack it, or pass over the mark; only a file may begin so
    try:
        frame = pl.read_csv(text, has_header=False, schema=TEXT_SCHEMA, quote_char=None)
        return batch_of(frame, number) if frame.height == rows else None
    except (pl.exceptions.PolarsError, OSError, DataError):
        return None


def first_bad_row(path: Path) -> BadRow | None:
    """The first bad row of a file of text, if there is one.

    Raises:
        DataError: The file is damaged.
    """
    lines = 0
    for block in blocks_of(path):
        found = sifted(block, most_bad=1)
        if found.bad:
            return bad_row(path, lines, found.bad[0])
        lines += found.rows
    return None


def bad_row(path: Path, rows_before: int, bad: BadLine) -> BadRow:
    """The error that a bad row is where none is allowed."""
    return BadRow(str(path), rows_before + bad.row + 1, *bad.fault)


def _of_text(block: TextRange | Text, most_bad: int) -> Sifted:
    content = content_of(block)
    if not content.endswith(b"\n"):
        content += b"\n"
    bad: list[BadLine] = []
    events = concatenate(list(_halved(content, 0, block, bad, most_bad)))
    return Sifted(events, events.numbers, content.count(b"\n"), tuple(bad))


def _halved(
    text: bytes, first: int, block: TextRange | Text, bad: list[BadLine], most_bad: int
) -> Iterator[EventBatch]:
    """The events of lines from number `first` on; the first bad ones are appended to `bad`."""
    if len(bad) == most_bad == 1:
        return
    rows = text.count(b"\n")
    whole = events_of(text, rows, number=first, at_start=first == block.start == 0)
    if whole is not None:
        yield whole
    elif rows <= _FEW:
        yield from _few(text, first, block, bad, most_bad)
    else:
        middle = text.find(b"\n", len(text) // 2) + 1
        if middle == len(text):  # the last line is half of all
            middle = text.rfind(b"\n", 0, -1) + 1
        yield from _halved(text[:middle], first, block, bad, most_bad)
        first += text.count(b"\n", 0, middle)
        yield from _halved(text[middle:], first, block, bad, most_bad)


def _few(
    text: bytes, first: int, block: TextRange | Text, bad: list[BadLine], most_bad: int
) -> Iterator[EventBatch]:
    """The same of few lines: the faults are found one by one, and the others parsed at once."""
    lines = dict(enumerate(text.split(b"\n")[:-1], first))
    at_start = first == block.start == 0
    faults: dict[int, Fault] = {}
    for row, line in lines.items():
        if len(line) >= LONGEST_LINE:  # where the next row begins is not known
            number = lines_before(block.path, block.start) + row + 1
            raise BadRow(str(block.path), number, "length of the row", "", "at most 1 MiB")
        fault = None if is_usual(line) else fault_of(line, first=at_start and row == 0)
        if fault is not None:
            faults[row] = _shortened(fault)
    good = {row: line for row, line in lines.items() if row not in faults}
    yield from _parsed(good, faults, at_start=at_start)
    bad += [BadLine(row, faults[row]) for row in sorted(faults)[: most_bad - len(bad)]]


def _parsed(
    lines: dict[int, bytes], faults: dict[int, Fault], *, at_start: bool
) -> Iterator[EventBatch]:
    """The events of lines without a fault; those that the parser refuses are added to `faults`."""
    if not lines:
        return
    rows = list(lines)
    text = b"".join(line + b"\n" for line in lines.values())
    found = events_of(text, len(rows), number=0, at_start=at_start and rows[0] == 0)
    if found is not None:
        yield EventBatch(np.array(rows, np.int64), found.features, found.labels)
    elif len(rows) == 1:
        faults[rows[0]] = _shortened(_UNREADABLE._replace(text=text[:-1].decode("latin-1")))
    else:
        for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
            yield from _parsed({row: lines[row] for row in half}, faults, at_start=at_start)


def _shortened(fault: Fault) -> Fault:
    return fault._replace(text=fault.text[:_LONGEST_TEXT])


def _of_parquet(block: RowRange, most_bad: int) -> Sifted:
    columns = parquet_columns(block.path)
    rows = block.stop - block.start
    frame = parquet_frame(block.path, columns, block.start, rows)
    if frame.height != rows:
        raise DataError(
            f"expected rows {block.start} to {block.stop} of {block.path}, received "
            f"{frame.height} of them; the file was changed: run again"
        )
    frame = frame.with_row_index("row")
    good = frame.filter(pl.all_horizontal(_is_event(name) for name in columns))
    places = good["row"].to_numpy().astype(np.int64)
    wrong = frame.join(good.select("row"), on="row", how="anti", maintain_order="left")
    bad = tuple(_bad_lines(wrong.head(most_bad)))
    try:
        events = batch_of(good.drop("row"), 0)
    except DataError as error:
        raise DataError(f"{block.path}: {error}") from error
    return Sifted(events, places, rows, bad, columns[0] != LABEL)


def _is_event(name: str) -> pl.Expr:
    value = pl.col(name)
    if name == EVENT_NUMBER:
        return value.is_not_null()
    allowed = (value == 0) | (value == 1) if name == LABEL else value.is_finite()
    return allowed.fill_null(value=False)


def _bad_lines(frame: pl.DataFrame) -> Iterator[BadLine]:
    for values in frame.iter_rows(named=True):
        row = values.pop("row")
        for name, value in values.items():
            if name == LABEL:
                expected, good = "0 or 1", value in (0, 1)
            else:
                expected, good = "a finite number", value is not None and np.isfinite(value)
            if not good:
                yield BadLine(row, Fault(name, str(value), expected))
                break
