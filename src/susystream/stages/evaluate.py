"""Stage `evaluate`: stored models on streamed test sets of any size.

In: models out of the store, test sets. Out: figures, in MLflow, the model document, `result.json`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from susystream.errors import DataError, TrackingError
from susystream.evaluate.metrics import metrics as figures
from susystream.evaluate.plots import roc_figure, score_figure
from susystream.evaluate.tally import Tally
from susystream.model.scorer_plan import ScorerPlan
from susystream.registry.document import ModelDocument
from susystream.settings import public_config
from susystream.settings.engine import SparkEngine as SparkSettings
from susystream.stages.context import StageContext
from susystream.stages.counting import Counting
from susystream.stages.models import scorer_plan_of
from susystream.stages.result import StageResult
from susystream.stages.spark_counting import SparkCounting, spark_counting
from susystream.stages.testsets import NamedSet, test_sets
from susystream.tracking.tracker import TrackedRun


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One test set's identity, counts for every model, and how long it took.

    Attributes:
        name: As in the names of its metrics.
        identity: `source`, `rows` and `digest`, as plain data.
        tallies: By model id.
        rows: Events.
        scanned: Those of this run; the others were counted by one that was killed.
        seconds: Wall time of the scan.
    """

    name: str
    identity: dict[str, Any]
    tallies: dict[str, Tally]
    rows: int
    scanned: int
    seconds: float


def evaluate(context: StageContext, *, parent_run_id: str | None = None) -> StageResult:
    """Scores every chosen model on every test set in one scan each."""
    started = time.monotonic()
    documents = _chosen(context)
    ids = tuple(documents)
    context.console.heading(f"evaluate {', '.join(ids)}")
    with context.tracker.run(
        "evaluate",
        name=f"evaluate {ids[0]}" + (f" and {len(ids) - 1} more" if len(ids) > 1 else ""),
        params=public_config(context.settings),
        tags={"model_id": ",".join(ids)},
        parent_run_id=parent_run_id,
    ) as run:
        sets = _count_sets(context, run, documents)
        models = {model_id: {"metrics": _metrics_of(model_id, sets)} for model_id in ids}
        _log(run, models, sets)
        _store(context, documents, models, sets)
    _show(context, ids, sets)
    return StageResult(
        "evaluate",
        run.run_id,
        sum(one.rows for one in sets),
        time.monotonic() - started,
        model_ids=ids,
        inputs={one.name: one.identity for one in sets},
        metrics=models[ids[0]]["metrics"],
        models=models,
    )


def _chosen(context: StageContext) -> dict[str, ModelDocument]:
    """The models by id; one that was named twice is scored once."""
    found = [context.store.load_model(one) for one in context.settings.evaluate.models]
    return {document.model_id: document for document in found}


def _count_sets(
    context: StageContext, run: TrackedRun, documents: dict[str, ModelDocument]
) -> list[Evaluated]:
    chosen = context.settings.evaluate
    plans = {
        model_id: scorer_plan_of(document, scorer=chosen.scorer, precision=chosen.precision)
        for model_id, document in documents.items()
    }
    with _counting(context, run, documents, plans) as counting:
        return [_count_set(counting, one) for one in test_sets(context, list(documents.values()))]


@contextmanager
def _counting(
    context: StageContext,
    run: TrackedRun,
    documents: dict[str, ModelDocument],
    plans: dict[str, ScorerPlan],
) -> Iterator[Counting | SparkCounting]:
    """The engine of the settings."""
    engine = context.settings.evaluate.engine
    if isinstance(engine, SparkSettings):
        with spark_counting(context, engine, plans) as counting:
            yield counting
    else:
        yield Counting(context, run, documents, {key: plan.open() for key, plan in plans.items()})


def _count_set(counting: Counting | SparkCounting, wanted: NamedSet) -> Evaluated:
    """Scores and counts a set while its content is hashed.

    Raises:
        DataError: It holds no event, or other ones than it must.
    """
    started = time.monotonic()
    counted = counting.count(wanted)
    digest = counted.digest
    if digest.rows == 0:
        raise DataError(f"expected events in test set {wanted.name}, received none")
    if wanted.digest not in (None, str(digest)):
        raise DataError(
            f"expected events with digest {wanted.digest} in test set {wanted.name}, received "
            f"{digest}; remove {counting.context.prepared_folder} and prepare again"
        )
    identity = {"source": wanted.described, "rows": digest.rows, "digest": str(digest)}
    seconds = time.monotonic() - started
    return Evaluated(
        wanted.name, identity, counted.tallies, digest.rows, digest.rows - counted.resumed, seconds
    )


def _metrics_of(model_id: str, sets: list[Evaluated]) -> dict[str, float]:
    found: dict[str, float] = {}
    for one in sets:
        for name, value in figures(one.tallies[model_id]).items():
            found[f"test/{one.name}/{name}"] = value
        found[f"test/{one.name}/rows_per_second"] = one.scanned / one.seconds
    return found


_Models = dict[str, dict[str, dict[str, float]]]


def _log(run: TrackedRun, models: _Models, sets: list[Evaluated]) -> None:
    """Everything into the run of this evaluation: inputs, figures, pictures."""
    for one in sets:
        run.log_dataset(one.name, one.identity, context="evaluation")
    for model_id, found in models.items():
        prefix = f"{model_id}/" if len(models) > 1 else ""
        run.log_metrics({prefix + name: value for name, value in found["metrics"].items()})
        folder = f"plots/{model_id}"
        curves = {one.name: one.tallies[model_id] for one in sets}
        run.log_figure(f"{folder}/roc.png", roc_figure(curves))
        for name, tally in curves.items():
            run.log_figure(f"{folder}/scores_{name}.png", score_figure(name, tally))


def _store(
    context: StageContext,
    documents: dict[str, ModelDocument],
    models: _Models,
    sets: list[Evaluated],
) -> None:
    """The figures also go to each model's document and to the run that trained it.

    That run may lie on another tracking server; then the evaluation is no less true.
    """
    identities = {one.name: one.identity for one in sets}
    for model_id, document in documents.items():
        found = models[model_id]["metrics"]
        context.store.add_metrics(model_id, found, test_sets=identities)
        try:
            context.tracker.add_metrics(document.mlflow.run_id, found)
        except TrackingError:
            context.console.say(
                f"  the run that trained {model_id} is not on this tracking server; "
                "the figures are in this run and in the model's document"
            )


def _show(context: StageContext, ids: tuple[str, ...], sets: list[Evaluated]) -> None:
    columns = ("test set", "rows", "AUC ± error", "bracket", "accuracy", "log loss", "rows/s")
    for model_id in ids:
        rows = [_table_row(one, figures(one.tallies[model_id])) for one in sets]
        context.console.table(f"Model {model_id}", columns, rows)
    context.console.say("error: standard error of the AUC; bracket: within which it is proven")


def _table_row(one: Evaluated, found: dict[str, float]) -> tuple[str, ...]:
    width = found["auc_high"] - found["auc_low"]
    return (
        one.name,
        f"{one.rows:,}",
        f"{found['auc']:.4f}±{found['auc_stderr']:.4f}",
        f"{width:.0e}" if width else "exact",
        f"{found['accuracy']:.4f}",
        f"{found['log_loss']:.4f}",
        f"{one.scanned / one.seconds:,.0f}",
    )
