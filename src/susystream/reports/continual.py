"""The report of `continual`: a chain of models over data sets published one after the other.

In: the newest finished run that followed the topic, and the training of each model of its chain.
Out: what each model knows of a fixed test set, of its own data set and of the first one.
"""

from __future__ import annotations

from collections.abc import Mapping

from susystream.plots.chain import forgetting_figure
from susystream.plots.style import Figure
from susystream.reports.form import Column, Report, Row, Table, Tables
from susystream.reports.reading import Reading
from susystream.reports.standard import ERROR, number
from susystream.stages.chain_figures import (
    FIRST_AUC,
    FIRST_STDERR,
    FORGETTING,
    OWN_AUC,
    OWN_STDERR,
    PARENT_AUC,
    TEST_AUC,
    TEST_STDERR,
    point_0,
)
from susystream.tracking.recipe_runs import RecipeRun

_FIGURES = (TEST_AUC, TEST_STDERR, FORGETTING)
_PERHAPS = (
    OWN_AUC,
    OWN_STDERR,
    FIRST_AUC,
    FIRST_STDERR,
)  # a data set without a validation part, or that is gone, has none
_DRAWN = {TEST_AUC: TEST_STDERR, OWN_AUC: OWN_STDERR, FIRST_AUC: FIRST_STDERR}
REAL_EVENTS = {  # what the command sets that publishes them, as their run tells it
    **dict.fromkeys(("data.kind", "data.name"), "real_low_level"),
    **dict.fromkeys(("data.rows", "data.offset"), "(left out)"),
}
_BEFORE = "0, the model it began from"


def _rows(reading: Reading) -> list[Row]:
    trainings = _chain(reading, reading.newest("follow"))
    begin = point_0(trainings[0].metrics)
    rows = [_begin(begin)] if begin else []
    return rows + [_row(reading, one, at) for at, one in enumerate(trainings, start=1)]


def _chain(reading: Reading, follow: RecipeRun) -> list[RecipeRun]:
    """The trainings of the chain, the first one first; the run names its last model."""
    found = [reading.as_recipe(reading.training(follow), REAL_EVENTS)]
    while parent := _parent(reading, found[0]):
        found.insert(0, reading.as_recipe(reading.training(follow, parent), REAL_EVENTS))
    return found


def _parent(reading: Reading, training: RecipeRun) -> str | None:
    """The model before that of a training, unless the chain only began from it."""
    parent = training.tags.get("parent_model_id")
    if parent is None or PARENT_AUC in training.metrics:
        return None
    before = reading.runs.training_of(parent)
    belongs = before is None or before.tags.get("chain") == training.tags.get("chain")
    return parent if belongs else None


def _begin(figures: Mapping[str, float]) -> Row:
    nothing = dict.fromkeys((TEST_STDERR, FORGETTING, *_PERHAPS))
    return {"data_set": _BEFORE, "rows": None, **nothing, **figures}


def _row(reading: Reading, training: RecipeRun, at: int) -> Row:
    if len(training.learned) != 1:
        raise reading.missing("the data set that was learned from", training)
    ((name, rows),) = training.learned.items()
    perhaps = {figure: training.metrics.get(figure) for figure in _PERHAPS}
    known = reading.row(training, _FIGURES, data_set=f"{at}, {name}", rows=float(rows))
    return {**known, **perhaps}


def _draw(tables: Tables) -> Figure:
    rows = tables["chain"]
    test, own, first = ([number(row, name) for row in rows] for name in _DRAWN)
    errors = {
        line: [number(row, error) for row in rows]
        for line, error in zip(("test", "own", "first"), _DRAWN.values(), strict=True)
    }
    begin = 0 if rows[0]["data_set"] == _BEFORE else 1
    return forgetting_figure(test=test, own=own, first=first, begin=begin, errors=errors)


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
                Column("AUC, own validation part", OWN_AUC, error=OWN_STDERR),
                Column("AUC, first validation part", FIRST_AUC, error=FIRST_STDERR),
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
