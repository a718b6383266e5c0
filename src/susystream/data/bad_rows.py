"""Bad rows that were passed over: how many, and what some of them look like.

In: bad rows. Out: their number, and a table of the first ones for people.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from susystream.data.sift import SAMPLED
from susystream.errors import BadRow

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

    def add(self, count: int, sample: Iterable[BadRow]) -> None:
        """Counts some, of which the first are shown, in the order of the input."""
        self.count += count
        self.sample += islice(sample, SAMPLED - len(self.sample))

    def table(self) -> str:
        """The sample as CSV with a header; names of files without their folders."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for row in self.sample:
            writer.writerow((Path(row.path).name, row.line, row.column, row.expected, row.text))
        return text.getvalue()
