"""What each model of a chain knows, and what it forgot.

In: a model, the chain's fixed test set, the validation part of its first data set. Out: figures,
by the names they have in MLflow, in the model's document and in `result.json`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from susystream.errors import BrokerUnavailable, StreamError, StreamStalled
from susystream.evaluate.metrics import metrics
from susystream.evaluate.windows import WINDOW_ROWS, Counted, count_windows, scored_here
from susystream.model.scorer import Scorer
from susystream.plots.chain import forgetting_figure
from susystream.plots.digits import with_error
from susystream.plots.style import Figure
from susystream.registry.document import DatasetRecord, ModelDocument, ModelSummary
from susystream.schema import EventBatch
from susystream.stages.already_there import check_there
from susystream.stages.context import StageContext
from susystream.stages.evaluate import check_counted
from susystream.stages.learned import validation_part
from susystream.stages.models import scorer_plan_of
from susystream.stages.readers import open_reader
from susystream.stages.testsets import NamedSet

TEST_AUC = "follow/test/auc"
PARENT_AUC = "follow/parent/auc"
PARENT_STDERR = "follow/parent/auc_stderr"
TEST_STDERR = "follow/test/auc_stderr"
FORGETTING = "follow/forgetting"
OWN_AUC = "follow/validation/auc"
OWN_STDERR = "follow/validation/auc_stderr"
FIRST_AUC = "follow/first/auc"
FIRST_STDERR = "follow/first/auc_stderr"
_MODEL = "model"
_TITLES = {TEST_AUC: "test AUC", FORGETTING: "forgetting", OWN_AUC: "own AUC", FIRST_AUC: "first"}


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


def _column(figures: Sequence[Mapping[str, float]], name: str) -> list[float]:
    """A figure of each model; NaN of those that have none, as models of former versions."""
    return [one.get(name, float("nan")) for one in figures]


COLUMNS = tuple(title.replace("test AUC", "test AUC ± error") for title in _TITLES.values())
FOOTNOTE = "forgetting: best test AUC so far minus this one; error: standard error of the AUC"


def figures_on(
    context: StageContext,
    document: ModelDocument,
    test: NamedSet,
    *,
    first: ModelSummary,
    before: Sequence[Mapping[str, float]],
) -> tuple[dict[str, float], dict[str, Any]]:
    """Figures of a model of the chain, and the identity of the test set.

    - `follow/test/auc`, `follow/test/auc_stderr`, `follow/test/log_loss`: on the fixed test set,
      as in an evaluation.
    - `follow/forgetting`: the best AUC of the chain on it so far, minus this one: never negative.
      The model that the chain began from counts too. Within the standard error it may be chance.
    - `follow/parent/auc`: of that model on the fixed test set, with the chain's first.
    - `follow/validation/auc`: on the validation part of the model's own data set.
    - `follow/first/auc`: on that of the chain's first data set.

    Each of these AUCs has its standard error beside it, as `…/auc_stderr`.

    Args:
        context: The broker and the settings.
        document: The model.
        test: The fixed test set.
        first: The chain's first model.
        before: Figures of the models before this one.

    Raises:
        DataError: The test set holds other events than it must.
        EvaluationError: It holds one class only.
    """
    scorer = scorer_plan_of(document, scorer=context.settings.evaluate.scorer).open()
    counted = _counted(test.source.batches, scorer)
    check_counted(test, counted)
    found = metrics(counted.tallies[_MODEL])
    known = (one[name] for one in before for name in (TEST_AUC, PARENT_AUC) if name in one)
    best = max([found["auc"], *known])
    figures = {
        TEST_AUC: found["auc"],
        "follow/test/log_loss": found["log_loss"],
        TEST_STDERR: found["auc_stderr"],
        FORGETTING: best - found["auc"],
    }
    for name, source in ((OWN_AUC, "validation/auc"), (OWN_STDERR, "validation/auc_stderr")):
        if source in document.metrics:
            figures[name] = document.metrics[source]
    if before and TEST_AUC not in before[0]:
        figures |= before[0]
    figures |= _on_first(context, scorer, first)
    digest = counted.digest
    return figures, {"source": test.described, "rows": digest.rows, "digest": str(digest)}


def of_parent(context: StageContext, document: ModelDocument, test: NamedSet) -> dict[str, float]:
    """`follow/parent/auc` and its error: of the model that a chain begins from, on its test set."""
    scorer = scorer_plan_of(document, scorer=context.settings.evaluate.scorer).open()
    counted = _counted(test.source.batches, scorer)
    check_counted(test, counted)
    found = metrics(counted.tallies[_MODEL])
    return {PARENT_AUC: found["auc"], PARENT_STDERR: found["auc_stderr"]}


def point_0(first: Mapping[str, float]) -> dict[str, float]:
    """What is drawn before a chain's first model: its parent's AUC, if it has one."""
    names = {PARENT_AUC: TEST_AUC, PARENT_STDERR: TEST_STDERR}
    return {name: first[of_parent] for of_parent, name in names.items() if of_parent in first}


def _on_first(context: StageContext, scorer: Scorer, first: ModelSummary) -> dict[str, float]:
    """The AUC on the part of its data set that the first model was validated on, if still there."""
    part = validation_part(first)  # as it was then: what the model saw is no test now
    if part is None or not part.messages:
        return {}
    record = context.store.load_dataset(first.training.dataset_id)
    found: dict[str, float] = {}
    with _told_where_it_is_gone(context, record):
        check_there(context, record)
        counted = _counted(lambda: open_reader(context, record)(part), scorer)
        figures = metrics(counted.tallies[_MODEL])
        found |= {FIRST_AUC: figures["auc"], FIRST_STDERR: figures["auc_stderr"]}
    return found


@contextmanager
def _told_where_it_is_gone(context: StageContext, record: DatasetRecord) -> Iterator[None]:
    try:
        yield
    except (BrokerUnavailable, StreamStalled):
        raise  # who knows what a broker holds that does not answer
    except StreamError as error:
        context.note(f"no figure on the first data set {record.dataset_id}: {error}")


def _counted(batches: Callable[[], Iterable[EventBatch]], scorer: Scorer) -> Counted:
    scored = scored_here(lambda skip: batches(), scorers={_MODEL: scorer}, window_rows=WINDOW_ROWS)
    return count_windows(scored, models=[_MODEL])
