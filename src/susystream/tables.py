"""Tables as they read best in a notebook.

In: a Polars frame. Out: a `Table`: text from the left and without quotation marks, numbers from
the right, every row. And `polars_frame`, which refuses what is no such frame.
"""

from __future__ import annotations

import html
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import polars as pl

from susystream.errors import DataError

_CURES = {"pandas": "pl.from_pandas(…)", "polars": "its collect()"}  # by who made it


@dataclass(frozen=True, slots=True)
class Table:
    """A frame to be looked at.

    Attributes:
        frame: The rows; all are shown.
        digits: Of fractions, the significant ones; None: all that tell a number from others.
        counts: Columns whose integers are counts, and have a mark at each thousand.

    Raises:
        DataError: There is no frame.

    Example:
        >>> Table(pl.DataFrame({"set": ["real"], "AUC": [0.8427123]}), digits=4)
        set   AUC
        real  0.8427
    """

    frame: pl.DataFrame
    digits: int | None = 6
    counts: Collection[str] = ()

    def __post_init__(self) -> None:
        polars_frame(self.frame)

    def __repr__(self) -> str:
        columns = [[name, *self._cells(name)] for name in self.frame.columns]
        widths = [max(map(len, column)) for column in columns]
        lines = (
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in zip(*columns, strict=True)
        )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        names = self.frame.columns
        sides = ["right" if self.frame[name].dtype.is_numeric() else "left" for name in names]
        rows = zip(*map(self._cells, names), strict=True)
        head = _row("th", names, sides)
        body = "\n".join(_row("td", row, sides) for row in rows)
        return f"<table>\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody>\n</table>"

    def _cells(self, name: str) -> list[str]:
        return [self._cell(value, name) for value in self.frame[name]]

    def _cell(self, value: Any, name: str) -> str:
        match value:
            case None:
                return ""
            case bool():
                return str(value)
            case int():
                return f"{value:,}" if name in self.counts else str(value)
            case float():
                return repr(value) if self.digits is None else f"{value:.{self.digits}g}"
        told = value.to_list() if isinstance(value, pl.Series) else value
        return " ".join(str(told).split())


def polars_frame(value: object) -> pl.DataFrame:
    """The value itself.

    Raises:
        DataError: It is no Polars frame.
    """
    if isinstance(value, pl.DataFrame):
        return value
    package = "pandas" if type(value).__module__.startswith("pandas") else ""
    package = "polars" if isinstance(value, pl.LazyFrame) else package
    kind = f"{package} {type(value).__name__}".strip()
    raise DataError(
        f"expected a Polars DataFrame, received {kind}; make one by "
        f"{_CURES.get(package, 'pl.DataFrame(…)')}"
    )


def _row(tag: str, cells: Any, sides: list[str]) -> str:
    found = (
        f'<{tag} style="text-align: {side}">{html.escape(cell)}</{tag}>'
        for cell, side in zip(cells, sides, strict=True)
    )
    return f"<tr>{''.join(found)}</tr>"
