"""Bad rows that were passed over: how many, and what some of them look like.

In: bad rows. Out: their number, and a table of the first ones for people.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from susystream.errors import BadRow

SAMPLED = 1000
_LONGEST = 200  # characters of a text
_COLUMNS = ("file", "line", "column", "expected", "received")


@dataclass(slots=True)
class BadRows:
    """A count that grows.

    Attributes:
        count: All of them.
        sample: The first `SAMPLED`.
    """

    count: int = 0
    sample: list[BadRow] = field(default_factory=list)

    def add(self, rows: Iterable[BadRow]) -> None:
        """Counts some, in the order of the input."""
        for row in rows:
            self.count += 1
            if len(self.sample) < SAMPLED:
                self.sample.append(row)

    def table(self) -> str:
        """The sample as CSV with a header; names of files without their folders."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for row in self.sample:
            name, shown = Path(row.path).name, row.text[:_LONGEST]
            writer.writerow((name, row.line, row.column, row.expected, shown))
        return text.getvalue()
