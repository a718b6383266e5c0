"""The report of `continual`: a chain of models over data sets published one after the other.

In: the newest finished run that followed the topic, and the training of each model of its chain.
Out: what each model knows of a fixed test set, of its own data set and of the first one.
"""

from __future__ import annotations

import math

from susystream.plots.chain import forgetting_figure
from susystream.plots.style import Figure
from susystream.reports.form import Column, Report, Row, Table, Tables
from susystream.reports.reading import Reading
from susystream.reports.standard import ERROR
from susystream.stages.forgetting import FIRST_AUC, FORGETTING, OWN_AUC, TEST_AUC, TEST_STDERR
from susystream.tracking.recipe_runs import RecipeRun

_FIGURES = (TEST_AUC, TEST_STDERR, FORGETTING, OWN_AUC, FIRST_AUC)


def _rows(reading: Reading) -> list[Row]:
    trainings = _chain(reading, reading.newest("follow"))
    return [_row(reading, one, number) for number, one in enumerate(trainings, start=1)]


def _chain(reading: Reading, follow: RecipeRun) -> list[RecipeRun]:
    """The trainings of the chain, the first one first; the run names its last model."""
    found = [reading.training(follow)]
    while parent := found[0].tags.get("parent_model_id"):
        found.insert(0, reading.training(follow, parent))
    return found


def _row(reading: Reading, training: RecipeRun, number: int) -> Row:
    ((name, rows),) = training.learned.items()
    return reading.row(training, _FIGURES, data_set=f"{number}, {name}", rows=float(rows))


def _draw(tables: Tables) -> Figure:
    rows = tables["chain"]
    test, own, first = (
        [math.nan if row[name] is None else float(row[name] or 0) for row in rows]
        for name in (TEST_AUC, OWN_AUC, FIRST_AUC)
    )
    return forgetting_figure(test=test, own=own, first=first)


REPORT = Report(
    "continual",
    command="experiments/continual/run.sh",
    tables=(
        Table(
            "chain",
            _rows,
            (
                Column("data set learned from", "data_set"),
                Column("events", "rows", places=0),
                Column("AUC, fixed test set", TEST_AUC, error=TEST_STDERR),
                Column("forgotten", FORGETTING),
                Column("AUC, own validation part", OWN_AUC),
                Column("AUC, first validation part", FIRST_AUC),
            ),
        ),
    ),
    draw=_draw,
    caption="AUC after each data set of the chain",
    params=("train.epochs", "train.batch_size"),
    note=(
        "The fixed test set holds toy events that are in no data set. Forgotten: the best AUC on "
        "it so far minus this one. A validation part is the last tenth of a data set. " + ERROR
    ),
)
