"""The report of `seed_report`: the report's five steps beside ours, and how good the model is.

In: the newest finished chain. Out: seconds of each step, theirs and ours; figures on each test set.
"""

from __future__ import annotations

from collections.abc import Sequence

from susystream.plots.comparison import grouped_figure
from susystream.plots.style import Figure
from susystream.reports.form import Column, Report, Row, Table, Tables
from susystream.reports.reading import Reading
from susystream.reports.standard import ERROR, SETS, TOY, number, set_rows
from susystream.stages import report_table as steps
from susystream.tracking.recipe_runs import RecipeRun

_MILLION = 1e6
_HERE = "here_of"  # our amounts, of a run whose amounts are not the report's
_TEST = "test, a million rows"
_REPORT_ROWS, _REPORT_TRAINED, _REPORT_EPOCHS = 100_000, 90_000, "1"
_THEIRS = (  # name, what it was measured on, seconds
    ("load", "100,000 rows", steps.REPORT_LOAD_SECONDS),
    ("produce", "90,000 messages", steps.REPORT_PRODUCE_SECONDS),
    ("consume", "none of 90,000 was read yet", steps.REPORT_CONSUME_SECONDS),
    ("train", "one epoch of 90,000", steps.REPORT_TRAIN_SECONDS),
    (
        _TEST,
        "75 million rows, network never trained",
        steps.REPORT_TEST_SECONDS * _MILLION / steps.REPORT_TEST_ROWS,
    ),
)


def _steps(reading: Reading) -> list[Row]:
    run = reading.newest("pipeline")
    ours, amounts = _ours(reading, run), _amounts(reading, run)
    return [
        {
            **{"step": name, "of": what, "report_seconds": seconds, "seconds": ours[name]},
            **({_HERE: amounts[name]} if amounts else {}),
        }
        for name, what, seconds in _THEIRS
    ]


def _amounts(reading: Reading, run: RecipeRun) -> dict[str, str]:
    """What our steps were of, if that is not what the report's were of."""
    learned, held_out = sum(run.learned.values()), int(run.metrics.get("test/holdout/rows", 0))
    epochs, rows = reading.setting(run, "train.epochs"), learned + held_out
    if (rows, learned, epochs) == (_REPORT_ROWS, _REPORT_TRAINED, _REPORT_EPOCHS):
        return {}
    return {
        "load": f"{rows:,} rows",
        "produce": f"{learned:,} events",
        "consume": f"all {learned:,}",
        "train": f"{'one epoch' if epochs == '1' else f'{epochs} epochs'} of {learned:,}",
        _TEST: f"scaled from {reading.figure(run, f'test/{TOY}/rows'):,.0f} rows",
    }


def _columns(rows: Sequence[Row]) -> Sequence[Column]:
    here = [Column("here", _HERE)] if _HERE in rows[0] else []
    return (*_STEPS[:-1], *here, _STEPS[-1])


_STEPS = (
    Column("step", "step"),
    Column("the report measured", "of"),
    Column("the report, s", "report_seconds", places=None),
    Column("here, s", "seconds", places=None),
)


def _ours(reading: Reading, run: RecipeRun) -> dict[str, float | None]:
    return {
        "load": reading.figure(run, steps.LOAD),
        "produce": run.metrics.get(steps.PRODUCE),  # none where the topic held the events
        "consume": reading.figure(run, steps.CONSUME),
        "train": reading.figure(run, steps.TRAIN),
        _TEST: _MILLION / reading.figure(run, f"test/{TOY}/rows_per_second"),
    }


def _sets(reading: Reading) -> list[Row]:
    return set_rows(reading, reading.newest("pipeline"))


def _draw(tables: Tables) -> Figure:
    groups = {
        _heading(row): [
            ("the report", number(row, "report_seconds"), None),
            *([("here", number(row, "seconds"), 0.0)] if row["seconds"] else []),
        ]
        for row in tables["steps"]
    }
    return grouped_figure(groups, quantity="seconds", log=True)


def _heading(row: Row) -> str:
    """The step, with our amount where its two bars are not of the same."""
    return f"{row['step']}; here {row[_HERE]}" if _HERE in row else str(row["step"])


REPORT = Report(
    "seed_report",
    command="susystream run experiment=seed_report",
    tables=(
        Table("steps", _steps, _columns),
        Table("sets", _sets, SETS),
    ),
    draw=_draw,
    caption="Seconds of each step, the report's and ours",
    params=("data.rows", "stream.codec.name", "train.epochs", "train.batch_size"),
    note=(
        "The report's steps ran on its authors' machine. Here, too, each event is one line of CSV "
        "in one message, but `consume` reads all of them and compares them with what was "
        "published, and `test` is the scan of the CSV file of `toy_large`. " + ERROR
    ),
)
