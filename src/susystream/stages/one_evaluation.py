"""One stored model on one test set, by either engine; nothing is recorded.

In: a model, a test set, settings. Out: an `Evaluation`: exact counts, the figures made of them, and
how fast they were counted.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from susystream.data.files import FilesSource, about_rows
from susystream.data.source import FileSource
from susystream.evaluate.metrics import metrics
from susystream.evaluate.tally import Tally
from susystream.evaluate.windows import Counted, count_windows
from susystream.model.scorer_plan import ScorerPlan
from susystream.registry.document import ModelDocument
from susystream.settings import Settings, check_settings
from susystream.settings.data import FileSet, SliceSet
from susystream.settings.engine import LocalEngine
from susystream.settings.engine import SparkEngine as SparkSettings
from susystream.stages import precision
from susystream.stages.context import StageContext
from susystream.stages.counting import scored_source
from susystream.stages.evaluate import check_counted, told_how_to_skip
from susystream.stages.learned import learned_by
from susystream.stages.models import scorer_plan_of
from susystream.stages.spark_counting import spark_counting
from susystream.stages.testsets import NamedSet, given_set, one_set
from susystream.stages.wanted_set import WantedSet


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an engine counted, and what follows from it.

    Attributes:
        model_id: Of the model.
        test_set: The set's name.
        engine: `local` or `spark`.
        tally: The counts. Equal tallies have equal figures, to the last bit.
        figures: As `susystream.evaluate.metrics.metrics` explains them; with bfloat16 also what
            it costs, `bfloat16_auc_difference`.
        digest: Of the events.
        rows: How many events.
        bad_rows: How many rows were passed over, with `evaluate.bad_rows=skip`.
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
    bad_rows: int
    seconds: float

    @property
    def rows_per_second(self) -> float:
        """How fast."""
        return self.rows / self.seconds


@dataclass(frozen=True, slots=True)
class _Scoring:
    """A model, and how its events are scored."""

    context: StageContext
    documents: dict[str, ModelDocument]
    plans: dict[str, ScorerPlan]


def settings_for(settings: Settings, engine: LocalEngine | SparkSettings, *, seed: int) -> Settings:
    """The settings of an evaluation of one model.

    Raises:
        SettingsError: The engine cannot do what `evaluate` says.
    """
    evaluate = {"engine": engine.model_dump(), "ensemble": None}  # an ensemble has more members
    plain: dict[str, Any] = settings.model_dump()
    return check_settings(plain | {"seed": seed, "evaluate": plain["evaluate"] | evaluate})


def evaluate_one(
    context: StageContext, settings: Settings, document: ModelDocument, wanted: WantedSet
) -> Evaluation:
    """Counts what a model makes of a test set.

    Args:
        context: Its store and, for events in Kafka, its broker are used; what is opened beside
            them closes with the evaluation.
        settings: As `settings_for` gives them; toy sets are of their seed.
        document: The model.
        wanted: The test set.

    Raises:
        SettingsError: The model has seen its events.
        DataError: Its events cannot be read, or are others than they must be.
        ModelError: The model cannot be scored in the way that is set.
    """
    shared = ("store", "kafka") if wanted.reads_the_stream else ("store",)
    with context.under(settings, shared=shared).closing_first() as inner:
        named = _named(inner, document, wanted)
        scoring = _scoring(inner, document)
        with told_how_to_skip():
            differences = precision.auc_differences(scoring, named)
            counted, seconds = _counted(scoring, named)
    check_counted(named, counted)
    tally = counted.tallies[document.model_id]
    cost = {precision.NAME: differences[document.model_id]} if differences else {}
    return Evaluation(
        document.model_id,
        named.name,
        settings.evaluate.engine.name,
        tally,
        metrics(tally) | cost,
        str(counted.digest),
        counted.digest.rows,
        counted.bad.count,
        seconds,
    )


def _named(context: StageContext, document: ModelDocument, wanted: WantedSet) -> NamedSet:
    if wanted.name is None and isinstance(wanted.events, FileSet | SliceSet):
        return given_set(context, wanted.events, learned_by(context, [document]))
    return one_set(context, str(wanted.name), wanted.events, [document])


def _scoring(context: StageContext, document: ModelDocument) -> _Scoring:
    chosen = context.settings.evaluate
    plan = scorer_plan_of(document, scorer=chosen.scorer, precision=chosen.precision)
    return _Scoring(context, {document.model_id: document}, {document.model_id: plan})


def _counted(scoring: _Scoring, wanted: NamedSet) -> tuple[Counted, float]:
    """The counts, and the seconds they took."""
    engine = scoring.context.settings.evaluate.engine
    if not isinstance(engine, SparkSettings):
        return _here(scoring, wanted)
    with spark_counting(scoring.context, engine, scoring.documents, scoring.plans) as counting:
        started = time.monotonic()
        return counting.count(wanted), time.monotonic() - started


def _here(scoring: _Scoring, wanted: NamedSet) -> tuple[Counted, float]:
    context, source = scoring.context, wanted.source
    rows = about_rows(source) if isinstance(source, FileSource | FilesSource) else source.rows
    opened = scored_source(
        context,
        source,
        plans=scoring.plans,
        scorers=lambda: {name: plan.open() for name, plan in scoring.plans.items()},
    )
    what, about, started = f"rows of {wanted.name}", source.rows is None, time.monotonic()
    with context.console.progress(what, rows, about=about) as progress:
        counted = count_windows(
            opened,
            models=scoring.plans,
            window_rows=context.settings.evaluate.window_rows,
            on_progress=progress,
        )
    return counted, time.monotonic() - started
