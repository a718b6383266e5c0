"""Tables and pictures that most experiments can do with.

In: the newest run of a recipe. Out: its test sets, or the trials of its sweep, with their AUCs; so
that a recipe needs no declaration of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from susystream.errors import DataError
from susystream.plots.comparison import comparison_figure
from susystream.plots.style import Figure
from susystream.reports.form import Column, Report, Row, Table, Tables
from susystream.reports.reading import Reading
from susystream.tracking.recipe_runs import RecipeRun

ERROR = "±: standard error of the AUC, from the number of test events."
PAIRED = "All are tested on the same events, so that differences are surer than each value."
TOY, REAL = "toy_large", "real_10k"  # test sets of conf/evaluate
TOY_AND_REAL = (
    f"Toy events: those of the set `{TOY}`; real events: the 10,499 shipped rows, whose high-level "
    "columns are computed."
)
_STDERR = "_stderr"
_OF_SETS = ("auc", "auc_stderr", "accuracy", "log_loss")
SETS = (
    Column("test set", "set"),
    Column("events", "rows", places=0),
    Column("AUC", "auc", error="auc_stderr"),
    Column("accuracy", "accuracy"),
    Column("log loss", "log_loss"),
)


def report_without_declaration(recipe: str) -> Report:
    """Of the test sets of a run, or of the trials of a sweep."""
    return Report(
        recipe,
        command=f"susystream run experiment={recipe}",
        tables=(Table("results", _rows, _columns),),
        draw=draw_first_with_error,
        caption=f"The results of {recipe}",
        note=ERROR,
    )


def sets_of(run: RecipeRun) -> list[str]:
    """The test sets of an evaluation of one model, as they are named."""
    ends = "/auc"
    return [
        name.removeprefix("test/").removesuffix(ends)
        for name in sorted(run.metrics)
        if name.startswith("test/") and name.endswith(ends)
    ]


def set_rows(reading: Reading, run: RecipeRun) -> list[Row]:
    """A row for each test set; `SETS` shows them."""
    found: list[Row] = []
    for one in sets_of(run) or ["*"]:  # none at all is told as a figure that is missing
        rows = int(reading.figure(run, f"test/{one}/rows"))
        values = {name: reading.figure(run, f"test/{one}/{name}") for name in _OF_SETS}
        found.append({"set": one, "rows": rows, **values})
    return found


def auc_column(name: str, title: str) -> Column:
    """The AUC on a test set with its error."""
    return Column(title, f"test/{name}/auc", error=f"test/{name}/auc_stderr")


def auc_figures(*sets: str) -> list[str]:
    """The figures that `auc_column` shows."""
    return [f"test/{name}/{one}" for name in sets for one in ("auc", "auc_stderr")]


def further_swept(row: Row, *own: str) -> list[str]:
    """What was swept beside a report's `own` names: values as typed, where figures are numbers."""
    return [name for name, one in row.items() if isinstance(one, str) and name not in own]


def with_swept(columns: Sequence[Column], *own: str) -> Callable[[Sequence[Row]], Sequence[Column]]:
    """Columns, and behind the first one those that tell rows of one `own` setting apart."""

    def found(rows: Sequence[Row]) -> Sequence[Column]:
        more = [Column(_title(name), name) for name in further_swept(rows[0], *own)]
        return [columns[0], *more, *columns[1:]]

    return found


def draw_first_with_error(tables: Tables) -> Figure:
    """The first figure that has an error, of each row of the first table."""
    rows = next(iter(tables.values()))
    column = next((one for one in _columns(rows) if one.error), _columns(rows)[-1])
    words = [name for name, value in rows[0].items() if isinstance(value, str)]
    return comparison_figure(
        [
            (
                " ".join(str(row[name]) for name in words),
                number(row, column.figure),
                number(row, column.error) if column.error else math.nan,
            )
            for row in rows
        ],
        quantity=column.title,
    )


def number(row: Row, name: str) -> float:
    """A figure of a row; NaN where it is missing.

    Raises:
        DataError: It is a text.
    """
    value = row.get(name)
    if isinstance(value, str):
        raise DataError(
            f"expected a number as {name}, received {value!r}; make the result again: "
            "susystream report NAME"
        )
    return math.nan if value is None else float(value)


def _rows(reading: Reading) -> list[Row]:
    run = reading.newest()
    if run.tags.get("stage") != "sweep":
        return set_rows(reading, run)
    trials = reading.trials(run)
    figures = auc_figures(*sets_of(trials[0])) or ["validation/auc"]
    return [reading.row(one, figures, **one.swept) for one in trials]


def _columns(rows: Sequence[Row]) -> Sequence[Column]:
    if "set" in rows[0]:
        return SETS
    errors = {name.removesuffix(_STDERR): name for name in rows[0] if name.endswith(_STDERR)}
    return [
        Column(_title(name), name, error=errors.get(name))
        for name in rows[0]
        if not name.endswith(_STDERR)
    ]


def _title(name: str) -> str:
    if name.startswith("test/") and name.endswith("/auc"):
        return f"AUC on {name.split('/')[1]}"
    return name if "/" in name else name.rpartition(".")[2]
