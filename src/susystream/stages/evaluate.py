"""Stage `evaluate`: stored models on streamed test sets of any size.

In: models out of the store, test sets. Out: figures, in MLflow, the model document, `result.json`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from susystream.data.scan import scan_events
from susystream.errors import DataError
from susystream.evaluate.local_engine import tally as count
from susystream.evaluate.metrics import metrics as figures
from susystream.evaluate.plots import roc_figure, score_figure
from susystream.evaluate.tally import Tally
from susystream.registry.document import ModelDocument
from susystream.settings import public_config
from susystream.stages.context import StageContext
from susystream.stages.models import scorer_of
from susystream.stages.result import StageResult
from susystream.stages.testsets import test_files
from susystream.tracking.tracker import TrackedRun


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One test set's counts for every model, and how long it took."""

    name: str
    path: Path
    tallies: dict[str, Tally]
    rows: int
    seconds: float


def evaluate(context: StageContext, *, parent_run_id: str | None = None) -> StageResult:
    """Scores every chosen model on every test set in one scan each."""
    settings = context.settings
    started = time.monotonic()
    documents = [context.store.load_model(selector) for selector in settings.evaluate.models]
    ids = tuple(document.model_id for document in documents)
    context.console.heading(f"evaluate {', '.join(ids)}")
    with context.tracker.run(
        "evaluate",
        name=f"evaluate {ids[0]}" + (f" and {len(ids) - 1} more" if len(ids) > 1 else ""),
        params=public_config(settings),
        tags={"model_id": ",".join(ids)},
        parent_run_id=parent_run_id,
    ) as run:
        sets = _count_sets(context, documents)
        models = {model_id: {"metrics": _metrics_of(model_id, sets)} for model_id in ids}
        _store(context, run, documents, models)
        _draw(run, ids, sets)
    _show(context, ids, sets)
    return StageResult(
        "evaluate",
        run.run_id,
        sum(one.rows for one in sets),
        time.monotonic() - started,
        model_ids=ids,
        inputs={one.name: str(one.path) for one in sets},
        metrics=models[ids[0]]["metrics"],
        models=models,
    )


def _count_sets(context: StageContext, documents: list[ModelDocument]) -> list[Evaluated]:
    rows = context.settings.evaluate.batch_rows
    scorers = {document.model_id: scorer_of(document) for document in documents}
    results = []
    for name, path, total in test_files(context):
        started = time.monotonic()
        with context.console.progress(f"rows of {name}", total) as progress:
            tallies = count(
                scan_events(path, batch_rows=rows), scorers=scorers, on_progress=progress
            )
        counted = next(iter(tallies.values())).rows
        if counted == 0:
            raise DataError(f"expected events in {path}, received none; give another file")
        results.append(Evaluated(name, path, tallies, counted, time.monotonic() - started))
    return results


def _metrics_of(model_id: str, sets: list[Evaluated]) -> dict[str, float]:
    found: dict[str, float] = {}
    for one in sets:
        for name, value in figures(one.tallies[model_id]).items():
            found[f"test/{one.name}/{name}"] = value
        found[f"test/{one.name}/rows_per_second"] = one.rows / one.seconds
    return found


def _store(
    context: StageContext,
    run: TrackedRun,
    documents: list[ModelDocument],
    models: dict[str, dict[str, dict[str, float]]],
) -> None:
    """The figures go to this run, to each model's document and to the run that trained it."""
    several = len(documents) > 1
    for document in documents:
        found = models[document.model_id]["metrics"]
        prefix = f"{document.model_id}/" if several else ""
        run.log_metrics({prefix + name: value for name, value in found.items()})
        context.store.add_metrics(document.model_id, found)
        context.tracker.add_metrics(document.mlflow.run_id, found)


def _draw(run: TrackedRun, ids: tuple[str, ...], sets: list[Evaluated]) -> None:
    for model_id in ids:
        curves = {one.name: one.tallies[model_id] for one in sets}
        folder = f"plots/{model_id}"
        run.log_figure(f"{folder}/roc.png", roc_figure(curves))
        for name, tally in curves.items():
            run.log_figure(f"{folder}/scores_{name}.png", score_figure(name, tally))


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
        f"{found['auc']:.4f} ± {found['auc_stderr']:.4f}",
        f"{width:.0e}" if width else "exact",
        f"{found['accuracy']:.4f}",
        f"{found['log_loss']:.4f}",
        f"{one.rows / one.seconds:,.0f}",
    )
