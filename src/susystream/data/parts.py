"""Consecutive rows of an input: events, and rows that are none.

In: batches, or sifted blocks. Out: parts, which can be cut at any row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from susystream.data.blocks import Block, blocks_of
from susystream.data.sift import Sifted, bad_row, sifted
from susystream.errors import BadRow
from susystream.schema import EventBatch, Int64Array


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows in a row; its length counts the bad ones too.

    Attributes:
        events: The good rows.
        bad: The first of the others, in order.
        places: Where in the part each event lies, int64, ascending.
        bad_places: Where each of these lies.
        rows: How many rows, good and bad.
    """

    events: EventBatch
    bad: tuple[BadRow, ...]
    places: Int64Array
    bad_places: Int64Array
    rows: int

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, rows: slice) -> Part:
        start, stop, _ = rows.indices(self.rows)
        good, bad = cut(self.places, start, stop), cut(self.bad_places, start, stop)
        return Part(
            self.events[good],
            self.bad[bad],
            self.places[good] - start,
            self.bad_places[bad] - start,
            stop - start,
        )

    @classmethod
    def of(cls, events: EventBatch) -> Part:
        """Events without a bad row among them."""
        places = np.arange(len(events), dtype=np.int64)
        return cls(events, (), places, places[:0], len(events))


def cut(places: Int64Array, start: int, stop: int) -> slice:
    """Which of ascending places lie in [start, stop)."""
    first, last = (int(at) for at in np.searchsorted(places, (start, stop)))
    return slice(first, last)


def sifted_parts(
    path: Path, *, batch_rows: int, start_number: int = 0, skip_rows: int = 0
) -> Iterator[Part]:
    """The rows of a file with bad ones set aside; the counterpart of `scan_events`.

    Args:
        path: CSV, CSV.GZ or Parquet.
        batch_rows: At most so many rows a part.
        start_number: The first row's number, unless the file holds numbers; bad rows have one too.
        skip_rows: Rows passed over at the beginning; they count in the numbers.

    Raises:
        DataError: The file is not what it should be as a whole.
    """
    done = skip_rows
    for block in blocks_of(path, skip_rows=skip_rows):
        part = part_of(sifted(block), block, rows_before=done, start_number=start_number)
        yield from sliced(part, batch_rows)
        done += len(part)


def part_of(found: Sifted, block: Block, *, rows_before: int, start_number: int) -> Part:
    """A block's rows with their place in the file and the input.

    Args:
        found: The block's rows.
        block: Whose.
        rows_before: Rows of the same file that lie before it.
        start_number: The number of the file's first row.
    """
    events = found.events
    numbers = events.numbers if found.numbered else found.places + (start_number + rows_before)
    bad = tuple(bad_row(block.path, rows_before, one) for one in found.bad)
    return Part(
        EventBatch(numbers, events.features, events.labels),
        bad,
        found.places,
        np.array([one.row for one in found.bad], np.int64),
        found.rows,
    )


def sliced(part: Part, rows: int) -> Iterator[Part]:
    """A part in pieces of at most so many rows."""
    for start in range(0, len(part), rows):
        yield part[start : start + rows]
