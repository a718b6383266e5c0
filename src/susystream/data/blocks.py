"""A file cut into blocks, each of which any process can read alone.

In: a file. Out: its blocks in order; together they hold every row once. Plain text is cut at line
ends without reading what lies between, Parquet by row numbers; packed text cannot be entered in the
middle, so it is unpacked here and its blocks carry their text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import IO, TypeAlias

from susystream.data.frames import GZIP, PARQUET, first_bytes, opened_text, parquet_rows
from susystream.data.rows import LONGEST_LINE
from susystream.errors import DataError

BLOCK_BYTES = 1 << 25  # of text: about 70,000 rows, so that a worker holds little at once
BLOCK_ROWS = 131_072
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class TextRange:
    """The bytes [start, stop) of a file of plain text: whole lines."""

    path: Path
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Text:
    """Whole lines of an unpacked file.

    Attributes:
        path: The packed file.
        start: Where they begin in the unpacked text.
        content: The lines.
    """

    path: Path
    start: int
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RowRange:
    """The rows [start, stop) of a Parquet file."""

    path: Path
    start: int
    stop: int


Block: TypeAlias = TextRange | Text | RowRange


def blocks_of(path: Path, *, skip_rows: int = 0, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """The blocks of a file, after the first `skip_rows` rows.

    Args:
        path: CSV, CSV.GZ or Parquet.
        skip_rows: Lines or rows to pass over, unchecked.
        size: Bytes of text a block, about.

    Raises:
        DataError: There is no such file, or it is empty or damaged.
    """
    head = first_bytes(path)
    if not head:
        raise DataError(f"expected events in {path}, received an empty file; give another")
    if head == PARQUET:
        yield from _row_ranges(path, skip_rows)
    elif head.startswith(GZIP):
        yield from _texts(path, skip_rows, size)
    else:
        yield from _text_ranges(path, skip_rows, size)


def content_of(block: TextRange | Text) -> bytes:
    """The lines of a block.

    Raises:
        DataError: The file has become shorter.
    """
    if isinstance(block, Text):
        return block.content
    with block.path.open("rb") as file:
        file.seek(block.start)
        content = file.read(block.stop - block.start)
    if len(content) != block.stop - block.start:
        raise DataError(
            f"expected bytes {block.start} to {block.stop} of {block.path}, received "
            f"{len(content)} of them; the file was changed: run again"
        )
    return content


def lines_before(path: Path, position: int) -> int:
    """How many line breaks lie before a position of the (unpacked) text."""
    lines = 0
    with opened_text(path) as file:
        while position > 0 and (piece := file.read(min(_PIECE, position))):
            lines += piece.count(b"\n")
            position -= len(piece)
    return lines


def _row_ranges(path: Path, skip_rows: int) -> Iterator[RowRange]:
    rows = parquet_rows(path)
    for start in range(skip_rows, rows, BLOCK_ROWS):
        yield RowRange(path, start, min(start + BLOCK_ROWS, rows))


def _text_ranges(path: Path, skip_rows: int, size: int) -> Iterator[TextRange]:
    end = path.stat().st_size
    with path.open("rb") as file:
        start = _after_lines(file, skip_rows)
        while start < end:
            stop = _after_line(file, start + size, end)
            yield TextRange(path, start, stop)
            start = stop


def _texts(path: Path, skip_rows: int, size: int) -> Iterator[Text]:
    with opened_text(path) as file:
        start = _after_lines(file, skip_rows)
        while content := file.read(size) + file.readline(LONGEST_LINE):
            yield Text(path, start, content)
            start += len(content)


def _after_lines(file: BufferedReader, lines: int) -> int:
    """The position after so many lines, or the end; the next byte read is the one there.

    Not by seeking: packed text would be unpacked from its beginning again.
    """
    start = 0
    while lines and (piece := file.peek()):
        found, length = piece.count(b"\n"), len(piece)
        if found >= lines:
            length = _end_of_line(piece, lines)
        start += len(file.read(length))
        lines -= min(found, lines)
    return start


def _end_of_line(piece: bytes, lines: int) -> int:
    position = 0
    for _ in range(lines):
        position = piece.index(b"\n", position) + 1
    return position


def _after_line(file: IO[bytes], position: int, end: int) -> int:
    """The position after the line that holds a position; an endless line is cut."""
    if position >= end:
        return end
    file.seek(position - 1)  # a line that ends just before the position is whole
    return position - 1 + len(file.readline(LONGEST_LINE))
