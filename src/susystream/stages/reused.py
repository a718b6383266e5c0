"""What stands for a trial that need not run.

In: a run that finished with the trial's configuration before. Out: that run, where the sweep that
made it is this one, broken off and given again; else a copy of it below this sweep, which shows its
settings and figures, leads to it, and is never taken for it. So each trial has a run in its sweep.
"""

from __future__ import annotations

from typing import Any

from susystream.settings import public_config
from susystream.stages import markdown
from susystream.stages.context import StageContext
from susystream.stages.finished_before import figures_of, told
from susystream.stages.objective import Objective
from susystream.tracking.finished import FinishedRun
from susystream.tracking.label import PRUNED, PRUNED_AT, REUSED, REUSED_FROM, TRIAL_STATE

_OF_THE_MACHINE = "system/"
_ENDS = (TRIAL_STATE, PRUNED_AT)


def reused(
    context: StageContext, known: FinishedRun, objective: Objective
) -> dict[str, Any] | None:
    """The facts of a run in place of a trial; None of one without the figure of the trial.

    Args:
        context: Of the trial, labelled.
        known: The run.
        objective: What the trial is judged by.
    """
    figures, pruned = figures_of(context, known), known.tags.get(TRIAL_STATE) == PRUNED
    value = float(known.tags[PRUNED_AT]) if pruned else objective.of(figures)
    if value is None and objective.name is not None:
        context.note(f"run {known.run_id} is done again: it has no figure {objective.name}")
        return None
    if not context.tracker.former.adopt(known, context.label):
        _copy(context, known)
    context.note(f"{'pruned' if pruned else 'finished'} before, by run {told(known)}")
    return {
        "state": "pruned" if pruned else "reused",
        "objective": value,
        "run_id": known.run_id,
        "model_ids": known.model_ids,
        "metrics": figures,
    }


def _copy(context: StageContext, known: FinishedRun) -> None:
    """Its files, its model and its data sets stay its own: nothing counts twice."""
    ends = {name: known.tags[name] for name in _ENDS if name in known.tags}
    own = {
        name: value for name, value in known.metrics.items() if not name.startswith(_OF_THE_MACHINE)
    }
    with context.tracker.run(
        REUSED,
        name=REUSED,
        params=known.params,
        tags={REUSED_FROM: known.run_id, **ends},
        config=public_config(context.settings),
    ) as run:
        run.log_metrics(own)
        original = markdown.link(known.run_id, context.tracker.place_of(known.run_id))
        run.set_note(
            f"Not run again: a copy of the settings and figures of run {original}, which finished "
            "before and keeps its pictures, its data sets and its model."
        )
