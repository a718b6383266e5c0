"""The figures of a chain of models: their names, those a model has, and how they are shown.

In: figures as `susystream.stages.forgetting` measured them. Out: a line, the cells of a table, a
picture. The names are those in MLflow, in the model's document and in `result.json`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from susystream.plots.chain import forgetting_figure
from susystream.plots.digits import with_error
from susystream.plots.style import Figure
from susystream.registry.document import ModelSummary

TEST_AUC = "follow/test/auc"
PARENT_AUC = "follow/parent/auc"
PARENT_STDERR = "follow/parent/auc_stderr"
TEST_STDERR = "follow/test/auc_stderr"
TEST_LOG_LOSS = "follow/test/log_loss"
FORGETTING = "follow/forgetting"
OWN_AUC = "follow/validation/auc"
OWN_STDERR = "follow/validation/auc_stderr"
FIRST_AUC = "follow/first/auc"
FIRST_STDERR = "follow/first/auc_stderr"
_TITLES = {TEST_AUC: "test AUC", FORGETTING: "forgetting", OWN_AUC: "own AUC", FIRST_AUC: "first"}
COLUMNS = tuple(title.replace("test AUC", "test AUC ± error") for title in _TITLES.values())
FOOTNOTE = "forgetting: best test AUC so far minus this one; error: standard error of the AUC"


def known_figures(model: ModelSummary) -> dict[str, float]:
    """The figures a model has already; none if its trainer was killed before."""
    if TEST_AUC not in model.metrics:
        return {}
    return {name: value for name, value in model.metrics.items() if name.startswith("follow/")}


def line(figures: Mapping[str, float]) -> str:
    """The figures, short enough for a line of 80 columns."""
    found = ((title, figures[name]) for name, title in _TITLES.items() if name in figures)
    return ", ".join(f"{title} {value:.4f}" for title, value in found)


def cells(figures: Mapping[str, float]) -> tuple[str, ...]:
    """The figures as cells of a table, under `COLUMNS`."""
    found = [f"{figures[name]:.4f}" if name in figures else "" for name in _TITLES]
    error = figures.get(TEST_STDERR)
    test = found[0] if error is None else with_error(figures[TEST_AUC], error, sign="±")
    return (test, *found[1:])


def picture(figures: Sequence[Mapping[str, float]]) -> Figure:
    """The curves of a chain, its models' figures given in order."""
    if begin := point_0(figures[0]):
        figures = [begin, *figures]
    return forgetting_figure(
        begin=0 if begin else 1,
        test=[one[TEST_AUC] for one in figures],
        own=_column(figures, OWN_AUC),
        first=_column(figures, FIRST_AUC),
        errors={
            "test": _column(figures, TEST_STDERR),
            "own": _column(figures, OWN_STDERR),
            "first": _column(figures, FIRST_STDERR),
        },
    )


def point_0(first: Mapping[str, float]) -> dict[str, float]:
    """What is drawn before a chain's first model: its parent's AUC, if it has one."""
    names = {PARENT_AUC: TEST_AUC, PARENT_STDERR: TEST_STDERR}
    return {name: first[of_parent] for of_parent, name in names.items() if of_parent in first}


def _column(figures: Sequence[Mapping[str, float]], name: str) -> list[float]:
    """A figure of each model; NaN of those that have none, as models of former versions."""
    return [one.get(name, float("nan")) for one in figures]
