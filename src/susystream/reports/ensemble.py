"""The report of `ensemble`: networks that differ in their seed only, and their mean.

In: the newest finished evaluation, and the trainings of its models. Out: figures of each network
and of the mean of their probabilities.
"""

from __future__ import annotations

from susystream.evaluate.ensemble import NAME
from susystream.plots.comparison import comparison_figure
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
    number,
)

_FIGURES = (
    *(f"test/{TOY}/{one}" for one in ("auc", "auc_stderr", "log_loss", "ece")),
    *(f"test/{REAL}/{one}" for one in ("auc", "auc_stderr")),
)
_MEAN = "mean of all"


def _rows(reading: Reading) -> list[Row]:
    run = reading.newest("evaluate")
    ids = run.tags.get("model_id", "").split(",")
    tested = reading.tested(run, [*ids, NAME])
    trained = [reading.as_recipe(reading.training(run, one)) for one in ids]
    names = [reading.setting(one, "model.name") for one in trained]
    rows = zip(tested, [*names, _MEAN], strict=True)
    return [reading.row(one, _FIGURES, network=name) for one, name in rows]


def _draw(tables: Tables) -> Figure:
    auc, error = auc_figures(TOY)
    rows = [
        (str(row["network"]), number(row, auc), number(row, error)) for row in tables["networks"]
    ]
    return comparison_figure(rows, quantity="AUC on toy events never trained on")


REPORT = Report(
    "ensemble",
    command="experiments/ensemble/run.sh",
    tables=(
        Table(
            "networks",
            _rows,
            (
                Column("network", "network"),
                auc_column(TOY, "AUC, toy events"),
                Column("log loss, toy events", f"test/{TOY}/log_loss"),
                Column("calibration error", f"test/{TOY}/ece"),
                auc_column(REAL, "AUC, real events"),
            ),
        ),
    ),
    draw=_draw,
    caption="AUC of each network and of their mean",
    params=("data.rows", "train.epochs", "train.batch_size", "evaluate.sets.toy_large.rows"),
    note=" ".join((TOY_AND_REAL, ERROR, PAIRED)),
)
