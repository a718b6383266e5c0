"""One stored model on one test set, by either engine; nothing is recorded.

In: a model, the name of a test set or what `evaluate.input` takes. Out: an `Evaluation`: exact
counts, the figures made of them, and how fast they were counted.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from susystream.data.files import FilesSource, about_rows, is_glob
from susystream.data.source import FileSource
from susystream.errors import SettingsError
from susystream.evaluate.metrics import metrics
from susystream.evaluate.tally import Tally
from susystream.evaluate.windows import Counted, count_windows, scored_here
from susystream.registry.document import ModelDocument
from susystream.settings import EvaluateSettings
from susystream.settings.data import SliceSet, TestSet, checked_input
from susystream.settings.data import given_set as input_of
from susystream.settings.engine import LocalEngine
from susystream.settings.engine import SparkEngine as SparkSettings
from susystream.stages.context import StageContext
from susystream.stages.evaluate import check_counted
from susystream.stages.learned import learned_by
from susystream.stages.models import scorer_plan_of
from susystream.stages.spark_counting import spark_counting
from susystream.stages.testsets import NamedSet, given_set, one_set


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an engine counted, and what follows from it.

    Attributes:
        model_id: Of the model.
        test_set: The set's name.
        engine: `local` or `spark`.
        tally: The counts. Equal tallies have equal figures, to the last bit.
        figures: As `susystream.evaluate.metrics.metrics` explains them.
        digest: Of the events.
        rows: How many events.
        seconds: Reading, scoring and counting. Spark's own start is left out; that its workers
            build the network, and that small sets are written as files for them, is not.
    """

    model_id: str
    test_set: str
    engine: str
    tally: Tally
    figures: dict[str, float] = field(repr=False)
    digest: str
    rows: int
    seconds: float

    @property
    def rows_per_second(self) -> float:
        """How fast."""
        return self.rows / self.seconds


def evaluate_one(
    context: StageContext,
    document: ModelDocument,
    test_set: str,
    *,
    engine: LocalEngine | SparkSettings,
) -> Evaluation:
    """Counts what a model makes of a test set.

    Args:
        context: Whose settings name test sets beside the model's own.
        document: The model.
        test_set: The name of a test set, as when the model was trained: with its seed and rows.
            Or a file, a glob, `dataset:…` or `slice:…`, as `evaluate.input`.
        engine: What counts.

    Raises:
        SettingsError: There is no such set, or the model has seen its events.
        DataError: Its events cannot be read, or are others than they must be.
    """
    settings = context.settings.model_copy(update={"seed": document.training.seed})
    broker = ("kafka",) if reads_the_stream(test_set) else ()
    context = context.under(settings, shared=("store", *broker))
    wanted = _wanted(context, document, test_set)
    if isinstance(engine, SparkSettings):
        counted, seconds = _by_spark(context, engine, document, wanted)
    else:
        counted, seconds = _here(context, document, wanted)
    check_counted(wanted, counted)
    tally = counted.tallies[document.model_id]
    return Evaluation(
        document.model_id,
        wanted.name,
        engine.name,
        tally,
        metrics(tally),
        str(counted.digest),
        counted.digest.rows,
        seconds,
    )


def reads_the_stream(test_set: str) -> bool:
    """Whether a test set is events in Kafka."""
    return test_set.startswith(("dataset:", "slice:"))


def _wanted(context: StageContext, document: ModelDocument, text: str) -> NamedSet:
    own = _own_sets(document)
    known = {**context.settings.evaluate.sets, **own}
    chosen = known.get(text)
    if chosen is not None:
        return one_set(context, text, chosen, [document])
    if text in own:
        raise SettingsError(
            f"expected test set {text} as model {document.model_id} was trained with it, received "
            "a form that this version does not know; name another"
        )
    try:
        checked_input(text)
    except ValueError as error:
        raise SettingsError(f"test set {text!r}: {error}") from None
    given = input_of(text)
    if not isinstance(given, SliceSet) and not is_glob(given.path) and not given.path.exists():
        raise SettingsError(
            f"expected a test set out of {', '.join(known)}, a file, a glob, dataset:… or slice:…, "
            f"received {text!r}; name one of these"
        )
    return given_set(context, given, learned_by(context, [document]))


def _own_sets(document: ModelDocument) -> dict[str, TestSet | None]:
    """Those of the configuration the model was trained with; an imported one may have none.

    One in a form that is not known is None: today's set of that name has other events.
    """
    config: dict[str, Any] = dict(document.training.config)
    try:
        stated = dict(config["evaluate"]["sets"])
    except (KeyError, TypeError, ValueError):
        return {}
    return {str(name): _own_set(str(name), one) for name, one in stated.items()}


def _own_set(name: str, stated: object) -> TestSet | None:
    try:
        return EvaluateSettings.model_validate({"sets": {name: stated}}).sets[name]
    except ValidationError:
        return None


def _here(
    context: StageContext, document: ModelDocument, wanted: NamedSet
) -> tuple[Counted, float]:
    source = wanted.source
    rows = about_rows(source) if isinstance(source, FileSource | FilesSource) else source.rows
    scorers = {document.model_id: scorer_plan_of(document).open()}
    what, about, started = f"rows of {wanted.name}", source.rows is None, time.monotonic()
    with context.console.progress(what, rows, about=about) as progress:
        opened = scored_here(lambda skip: source.batches(), scorers=scorers)
        counted = count_windows(opened, models=list(scorers), on_progress=progress)
    return counted, time.monotonic() - started


def _by_spark(
    context: StageContext, engine: SparkSettings, document: ModelDocument, wanted: NamedSet
) -> tuple[Counted, float]:
    documents = {document.model_id: document}
    plans = {document.model_id: scorer_plan_of(document)}
    with spark_counting(context, engine, documents, plans) as counting:
        started = time.monotonic()
        counted = counting.count(wanted)
        return counted, time.monotonic() - started
