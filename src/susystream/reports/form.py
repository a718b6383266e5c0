"""How an experiment's report is declared.

In: nothing. Out: classes. A report is a few tables, each made of tracked figures, and one picture
of them; what is written down of it (`result.json`) is enough to render it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from susystream.plots.style import Figure
    from susystream.reports.reading import Reading

Value: TypeAlias = float | str | None
Row: TypeAlias = Mapping[str, Value]
Tables: TypeAlias = Mapping[str, Sequence[Row]]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        title: As it stands above it.
        figure: Of a row, shown here.
        error: Of a row, behind it: its standard error.
        places: Decimals of a number; none: four digits that matter.
    """

    title: str
    figure: str
    error: str | None = None
    places: int | None = 4


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a report.

    Attributes:
        name: In `result.json`.
        rows: What they are, by the runs.
        columns: What is shown of them; of the rows, where that depends on them.
        drawn: Figures of a row that only the picture shows.
    """

    name: str
    rows: Callable[[Reading], list[Row]]
    columns: Sequence[Column] | Callable[[Sequence[Row]], Sequence[Column]]
    drawn: Sequence[str] = ()

    def columns_of(self, rows: Sequence[Row]) -> Sequence[Column]:
        """What is shown of rows."""
        return self.columns(rows) if callable(self.columns) else self.columns

    def figures_of(self, rows: Sequence[Row]) -> list[str]:
        """What every row must have, if only to say that there is none; an error may be missing."""
        return [*(one.figure for one in self.columns_of(rows)), *self.drawn]


@dataclass(frozen=True, slots=True)
class Report:
    """The report of a recipe.

    Attributes:
        recipe: In `conf/experiment`; the folder in `experiments` has its name.
        command: That makes its runs.
        tables: At least one; the first one reads the run that the others are of.
        draw: The picture.
        caption: What the picture shows.
        note: What the numbers are.
        params: Settings that matter, shown with their values.
    """

    recipe: str
    command: str
    tables: Sequence[Table]
    draw: Callable[[Tables], Figure]
    caption: str
    note: str
    params: Sequence[str] = ("data.rows", "train.epochs")
