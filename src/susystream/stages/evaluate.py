"""Stage `evaluate`: stored models on streamed test sets of any size.

In: models out of the store, test sets. Out: figures, in MLflow, the model document, `result.json`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from susystream.errors import BadRow, DataError
from susystream.evaluate.ensemble import NAME
from susystream.evaluate.metrics import metrics
from susystream.evaluate.windows import Counted
from susystream.model.scorer_plan import ScorerPlan
from susystream.registry.document import ModelDocument
from susystream.settings.engine import SparkEngine as SparkSettings
from susystream.stages import precision, recording, result_notes
from susystream.stages.context import StageContext
from susystream.stages.counting import Counting
from susystream.stages.models import scorer_plan_of
from susystream.stages.naming import end_of
from susystream.stages.readers import bad_messages_logged
from susystream.stages.recording import Evaluated
from susystream.stages.repetition import compare_figures
from susystream.stages.result import StageResult
from susystream.stages.spark_counting import SparkCounting, spark_counting
from susystream.stages.tested_runs import runs_of
from susystream.stages.testsets import NamedSet, test_sets
from susystream.stages.tracked import tracked
from susystream.tracking.tracker import TrackedRun


def evaluate(context: StageContext, *, parent_run_id: str | None = None) -> StageResult:
    """Scores every chosen model on every test set in one scan each."""
    started = time.monotonic()
    documents = _chosen(context)
    ids, titles = tuple(documents), _titles(context, documents)
    context.console.heading(f"evaluate {', '.join(ids)}")
    with (
        tracked(
            context,
            "evaluate",
            what=f"evaluate {end_of(ids[0])}" + (f" +{len(ids) - 1}" if len(ids) > 1 else ""),
            tags={"model_id": ",".join(ids)},
            parent_run_id=parent_run_id,
        ) as run,
        runs_of(context, run, documents, list(titles)) as runs,
        bad_messages_logged(context, run),
        ExitStack() as kept,
    ):
        sets = _count_sets(context, run, runs, documents, kept)
        found = {name: recording.metrics_of(name, sets) for name in titles}
        recording.log(run, runs, found, sets, documents=documents)
        recording.store(context, documents, found, sets)
        equal = compare_figures(context, run, found, sets)
        tested = result_notes.Tested(documents, titles, sets)
        result_notes.describe(context, run, runs, tested, nested=parent_run_id is not None)
    recording.show(context, titles, sets)
    return StageResult(
        "evaluate",
        run.run_id,
        sum(one.rows for one in sets),
        time.monotonic() - started,
        model_ids=ids,
        inputs={one.name: one.identity for one in sets},
        metrics=found[ids[0]],
        models={name: {"metrics": figures} for name, figures in found.items()},
        repeats_equal=equal,
    )


def _chosen(context: StageContext) -> dict[str, ModelDocument]:
    """The models by id; one that was named twice is scored once."""
    chosen = map(context.store.load_model, context.settings.evaluate.models)
    return {one.model_id: one for one in chosen}


def _titles(context: StageContext, documents: Mapping[str, ModelDocument]) -> dict[str, str]:
    """What is scored, by the name of its figures, and the title of its table."""
    chosen = context.settings.evaluate
    titles = {model_id: f"Model {model_id}" for model_id in documents}
    if chosen.ensemble:
        titles[NAME] = f"Ensemble of {len(documents)} models: mean of their {chosen.ensemble}"
    if chosen.precision == "float32":
        return titles
    return {name: f"{title}, in {chosen.precision}" for name, title in titles.items()}


def _count_sets(
    context: StageContext,
    run: TrackedRun,
    runs: Mapping[str, TrackedRun],
    documents: dict[str, ModelDocument],
    kept: ExitStack,
) -> list[Evaluated]:
    """Counts every set; `kept` closes what would let a run that fails now go on later."""
    chosen = context.settings.evaluate
    plans = {
        model_id: scorer_plan_of(document, scorer=chosen.scorer, precision=chosen.precision)
        for model_id, document in documents.items()
    }
    with _counting(context, run, runs, documents, plans, kept) as counting:
        return [_count_set(counting, one) for one in test_sets(context, list(documents.values()))]


@contextmanager
def _counting(
    context: StageContext,
    run: TrackedRun,
    runs: Mapping[str, TrackedRun],
    documents: dict[str, ModelDocument],
    plans: dict[str, ScorerPlan],
    kept: ExitStack,
) -> Iterator[Counting | SparkCounting]:
    """The engine of the settings."""
    engine = context.settings.evaluate.engine
    if isinstance(engine, SparkSettings):
        with spark_counting(context, engine, documents, plans) as counting:
            context.note(
                f"Spark at {engine.master} counts: no windows; from the start after a kill"
            )
            yield counting
    else:
        yield Counting(context, run, runs, documents, plans, kept)


def _count_set(counting: Counting | SparkCounting, wanted: NamedSet) -> Evaluated:
    """Scores and counts a set while its content is hashed.

    Raises:
        DataError: It holds no event, or other ones than it must.
    """
    with told_how_to_skip():
        differences = precision.auc_differences(counting, wanted)  # first: an error loses no scan
        started = time.monotonic()
        counted = counting.count(wanted)
    seconds = time.monotonic() - started
    check_counted(wanted, counted)
    figures = {model_id: metrics(tally) for model_id, tally in counted.tallies.items()}
    for model_id, difference in differences.items():
        figures[model_id][precision.NAME] = difference
    rows, bad = counted.digest.rows, counted.bad
    identity = {
        "source": wanted.described,
        "rows": rows,
        "digest": str(counted.digest),
        "precision": counting.context.settings.evaluate.precision,
    }
    scanned = rows + bad.count - counted.resumed
    return Evaluated(
        wanted.name,
        identity,
        counted.tallies,
        figures,
        bad,
        rows=rows,
        scanned=scanned,
        seconds=seconds,
    )


@contextmanager
def told_how_to_skip() -> Iterator[None]:
    """Says of a bad row that it need not be the end."""
    try:
        yield
    except BadRow as bad:
        cure = "correct or remove the row, or set evaluate.bad_rows=skip to count such rows"
        raise bad.with_cure(cure) from bad


def check_counted(wanted: NamedSet, counted: Counted) -> None:
    """Whether a set holds what it must.

    Raises:
        DataError: It does not.
    """
    digest = counted.digest
    if digest.rows == 0:
        but = f" but {counted.bad.count:,} bad rows; correct the input" if counted.bad.count else ""
        raise DataError(f"expected events in test set {wanted.name}, received none{but}")
    if wanted.digest not in (None, str(digest)):
        raise DataError(
            f"expected events with digest {wanted.digest} in test set {wanted.name}, received "
            f"{digest}; {wanted.cure}"
        )
