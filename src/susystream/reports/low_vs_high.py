"""The report of `low_vs_high`: the paper's three choices of features, beside its Table II.

In: the newest finished sweep over `model.features`. Out: the AUC with each choice.
"""

from __future__ import annotations

from susystream.evaluate.paper import TABLE_II
from susystream.plots.comparison import grouped_figure
from susystream.plots.style import Figure
from susystream.reports.form import Column, Report, Row, Table, Tables
from susystream.reports.reading import Reading
from susystream.reports.standard import (
    ERROR,
    PAIRED,
    REAL,
    TOY,
    TOY_AND_REAL,
    auc_column,
    auc_figures,
    further_swept,
    number,
    with_swept,
)
from susystream.tracking.recipe_runs import RecipeRun

_SWEPT = "model.features"
_HEADINGS = {
    "low": "low-level features",
    "high": "high-level features",
    "complete": "all features",
}
_TREES, _DEEP = "boosted trees", "deep network, dropout"
_PAPER = {_TREES: "paper: boosted trees", _DEEP: "paper: deep, dropout"}


def _rows(reading: Reading) -> list[Row]:
    trials = reading.trials(reading.newest("sweep"))
    return [_row(reading, one, reading.setting(one, _SWEPT)) for one in trials]


def _row(reading: Reading, trial: RecipeRun, features: str) -> Row:
    row = reading.row(trial, auc_figures(TOY, REAL), **{**trial.swept, _SWEPT: features})
    return {**row, **_paper(features)}


def _paper(features: str) -> Row:
    known = TABLE_II.get(features, {})
    return {f"paper/{method}": known.get(method) for method in (_TREES, _DEEP)}


def _draw(tables: Tables) -> Figure:
    groups = {_heading(row): _group(row) for row in tables["features"]}
    return grouped_figure(groups, quantity="AUC")


def _heading(row: Row) -> str:
    """The features, and what else was swept."""
    features = str(row[_SWEPT])
    more = [f"{name}={row[name]}" for name in further_swept(row, _SWEPT)]
    return ", ".join([_HEADINGS.get(features, features), *more])


def _group(row: Row) -> list[tuple[str, float, float | None]]:
    """Ours with their errors, the paper's without."""
    found: list[tuple[str, float, float | None]] = []
    for one, title in ((TOY, "toy events"), (REAL, "real events")):
        auc, error = auc_figures(one)
        found.append((title, number(row, auc), number(row, error)))
    known = {title: row[f"paper/{method}"] for method, title in _PAPER.items()}
    return found + [(title, float(one), None) for title, one in known.items() if one]


REPORT = Report(
    "low_vs_high",
    command="susystream run experiment=low_vs_high",
    tables=(
        Table(
            "features",
            _rows,
            with_swept(
                (
                    Column("features", _SWEPT),
                    auc_column(TOY, "AUC, toy events"),
                    auc_column(REAL, "AUC, real events"),
                    Column("paper: boosted trees", f"paper/{_TREES}", places=3),
                    Column("paper: deep network, dropout", f"paper/{_DEEP}", places=3),
                ),
                _SWEPT,
            ),
        ),
    ),
    draw=_draw,
    caption="AUC with the low-level, the high-level and all features, beside the paper's",
    params=(
        *("data.rows", "model.hidden", "train.epochs", "train.batch_size"),
        "evaluate.sets.toy_large.rows",
    ),
    note=" ".join(
        (
            "Trained on toy events only.",
            TOY_AND_REAL,
            "Paper: Baldi, Sadowski, Whiteson 2014, Table II, trained and tested on real events.",
            ERROR,
            PAIRED,
        )
    ),
)
