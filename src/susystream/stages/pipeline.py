"""Stage `pipeline`: prepare → publish → train → evaluate, under one parent run.

In: the whole configuration. Out: a published slice, a stored model, its figures, one table.
"""

from __future__ import annotations

import time
from typing import Any

from susystream.stages import result_notes
from susystream.stages.context import StageContext
from susystream.stages.evaluate import evaluate
from susystream.stages.naming import dataset_title
from susystream.stages.note_parts import model_line
from susystream.stages.prepare import prepare
from susystream.stages.publish import publish
from susystream.stages.repetition import of_both, tags_of
from susystream.stages.report_table import Chain, show_beside_report, step_figures
from susystream.stages.result import StageResult
from susystream.stages.tracked import tracked
from susystream.stages.train import train


def pipeline(context: StageContext, *, parent_run_id: str | None = None) -> StageResult:
    """Runs the chain; each stage uses exactly what the one before it made."""
    settings = context.settings
    started = time.monotonic()
    label = settings.experiment.name if settings.experiment else "pipeline"
    with tracked(
        context,
        "pipeline",
        what=label,
        tags={"experiment": label},
        facts={"experiment": label},
        parent_run_id=parent_run_id,
    ) as run:
        prepared = prepare(_alone(context, "prepare"), parent_run_id=run.run_id)
        published = publish(_alone(context, "publish"), parent_run_id=run.run_id)
        trained = train(
            _alone(context, "train", train={"dataset": published.dataset_ids[0]}),
            parent_run_id=run.run_id,
        )
        evaluated = evaluate(
            _alone(context, "evaluate", evaluate={"models": trained.model_ids, "ensemble": None}),
            parent_run_id=run.run_id,
        )
        chain = Chain(prepared, published, trained, evaluated)
        steps = step_figures(chain) if _beside_report(context) else {}
        # in MLflow's UI the first of them opens a comparison
        metrics = {**evaluated.metrics, **trained.metrics, **published.metrics, **steps}
        run.log_metrics(metrics)
        stages = (prepared, published, trained, evaluated)
        note = result_notes.of_pipeline(
            context,
            metrics,
            {one.stage: one.run_id for one in stages},
            model_id=trained.model_ids[0],
            nested=False,
        )
        run.set_note(note)
        dataset = context.store.load_dataset(published.dataset_ids[0])
        run.log_dataset(dataset_title(dataset), dataset.to_json(), context="training")
        place = run.experiment
        made = {"model_id": trained.model_ids[0], "dataset_id": published.dataset_ids[0]}
        equal = of_both(trained.repeats_equal, evaluated.repeats_equal)
        run.set_tags(made | tags_of(equal))
    if steps:
        show_beside_report(context.console, chain, steps)
    _show_where(context, trained, run.run_id, place)
    return StageResult(
        "pipeline",
        run.run_id,
        prepared.rows,
        time.monotonic() - started,
        model_ids=trained.model_ids,
        dataset_ids=published.dataset_ids,
        inputs={**prepared.inputs, **published.inputs, **evaluated.inputs},
        metrics=metrics,
        models=evaluated.models,
        objective=trained.objective,
        repeats_equal=equal,
    )


def _beside_report(context: StageContext) -> bool:
    experiment = context.settings.experiment
    return experiment is not None and experiment.compare_with_report


def _alone(context: StageContext, stage: str, **groups: dict[str, Any]) -> StageContext:
    """The context a stage would have had by itself: so its run says what repeats it."""
    return context.with_settings(stage={"name": stage}, **groups)


def _show_where(context: StageContext, trained: StageResult, run_id: str, place: str) -> None:
    say = context.console.say
    say(model_line(context.settings, trained.model_ids[0]))
    say(f"trained  by run {trained.run_id}")
    say(f"chain    run {run_id} in experiment {place}")
    say(f"UI       {context.tracker.ui_hint(run_id)}")
