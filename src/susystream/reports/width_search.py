"""The report of `width_search`: how wide a network must be.

In: the newest finished sweep over `model.hidden`. Out: parameters and AUC of each width.
"""

from __future__ import annotations

from susystream.plots.comparison import curve_figure
from susystream.plots.style import Figure
from susystream.reports.form import Column, Report, Row, Table, Tables, Value
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

_SWEPT = "model.hidden"
_PARAMETERS = "model/parameters"


def _rows(reading: Reading) -> list[Row]:
    found = []
    for trial in reading.trials(reading.newest("sweep")):
        training = reading.training(trial)
        hidden = reading.setting(trial, _SWEPT)
        figures = [*auc_figures(TOY, REAL), "validation/auc"]
        own: dict[str, Value] = {
            **trial.swept,
            _SWEPT: hidden,
            "width": _width(reading, trial, hidden),
        }
        own[_PARAMETERS] = reading.figure(training, _PARAMETERS)
        found.append(reading.row(trial, figures, **own))
    return found


def _width(reading: Reading, trial: RecipeRun, hidden: str) -> float:
    """Of the first layer."""
    try:
        return float(hidden.strip("[]").split(",")[0])
    except ValueError:
        raise reading.missing(f"a first layer in {_SWEPT}={hidden}", trial) from None


def _draw(tables: Tables) -> Figure:
    auc, error = auc_figures(TOY)
    curves: dict[str, list[tuple[float, float, float]]] = {}
    for row in tables["widths"]:
        more = [f"{name}={row[name]}" for name in further_swept(row, _SWEPT)]
        curve = curves.setdefault(", ".join(more) or TOY, [])
        curve.append((number(row, "width"), number(row, auc), number(row, error)))
    x, y = "units in each of the three hidden layers", "AUC on toy events never trained on"
    return curve_figure(curves, x=x, y=y, log_x=True)


REPORT = Report(
    "width_search",
    command="susystream run experiment=width_search",
    tables=(
        Table(
            "widths",
            _rows,
            with_swept(
                (
                    Column("hidden layers", _SWEPT),
                    Column("parameters", _PARAMETERS, places=0),
                    auc_column(TOY, "AUC, toy events"),
                    Column("AUC, validation", "validation/auc"),
                    auc_column(REAL, "AUC, real events"),
                ),
                _SWEPT,
            ),
            drawn=("width",),
        ),
    ),
    draw=_draw,
    caption="AUC on toy events over the width of the hidden layers",
    params=(
        *("data.rows", "model.dropout", "train.epochs", "train.batch_size"),
        "evaluate.sets.toy_large.rows",
    ),
    note=" ".join((TOY_AND_REAL, ERROR, PAIRED)),
)
