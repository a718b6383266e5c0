"""What each model of a chain knows, and what it forgot.

In: a model, the chain's fixed test set, the validation part of its first data set. Out: figures,
by the names of `susystream.stages.chain_figures`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from susystream.errors import BrokerUnavailable, StreamError, StreamStalled
from susystream.evaluate.metrics import metrics
from susystream.evaluate.windows import WINDOW_ROWS, Counted, count_windows, scored_here
from susystream.model.scorer import Scorer
from susystream.registry.document import DatasetRecord, ModelDocument, ModelSummary
from susystream.schema import EventBatch
from susystream.stages.already_there import check_there
from susystream.stages.chain_figures import (
    FIRST_AUC,
    FIRST_STDERR,
    FORGETTING,
    OWN_AUC,
    OWN_STDERR,
    PARENT_AUC,
    PARENT_STDERR,
    TEST_AUC,
    TEST_LOG_LOSS,
    TEST_STDERR,
)
from susystream.stages.context import StageContext
from susystream.stages.evaluate import check_counted
from susystream.stages.learned import validation_part
from susystream.stages.models import scorer_plan_of
from susystream.stages.readers import open_reader
from susystream.stages.testsets import NamedSet

_MODEL = "model"


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
        TEST_LOG_LOSS: found["log_loss"],
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
