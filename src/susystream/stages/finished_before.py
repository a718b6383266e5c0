"""What a trial need not do again.

In: the hash of its configuration. Out: a finished run with that configuration whose results are
still where this command would look for them; or none.
"""

from __future__ import annotations

from susystream.errors import NotFound
from susystream.stages.context import StageContext
from susystream.stages.prepare import is_prepared
from susystream.stages.pruning import Study
from susystream.stages.resuming import is_resumed
from susystream.tracking.code import code_state
from susystream.tracking.finished import FinishedRun

_SHORT = 9  # letters of a commit


def finished_before(
    context: StageContext, config_hash: str, beside: str, study: Study | None
) -> FinishedRun | None:
    """A finished run whose results are still there.

    Args:
        context: With the settings that the hash is of.
        config_hash: Of the configuration.
        beside: A run of the experiment to look in.
        study: That prunes the trials, if one does: what this search pruned before stays pruned.
    """
    if not is_resumed(context.settings):
        return None
    search = study.search if study and study.pruner != "none" else None
    found = context.tracker.former.finished(config_hash, beside=beside, pruned_by=search)
    if found is None:
        _tell_of_one_going_on(context, config_hash, beside)
    return found if found is not None and _is_there(context, found) else None


def _tell_of_one_going_on(context: StageContext, config_hash: str, beside: str) -> None:
    """Another command may be at the same; nobody waits for it."""
    if going_on := context.tracker.former.going_on(config_hash, beside=beside):
        context.note(f"run {going_on} of these settings is going on; this is one more of them")


def _is_there(context: StageContext, found: FinishedRun) -> bool:
    if context.settings.stage.name == "prepare":
        return is_prepared(context)
    for model_id in found.model_ids:
        try:
            context.store.load_model(model_id)
        except NotFound:
            context.note(f"run {found.run_id} is done again: its model {model_id} is gone")
            return False
    return True


def figures_of(context: StageContext, found: FinishedRun) -> dict[str, float]:
    """The figures that its trial was judged by.

    Of several models or of an ensemble they are in runs below it: those of the first model.
    """
    tests = context.tracker.tests_of(found.run_id) if len(found.model_ids) > 1 else None
    of_first = tests.figures.get(found.model_ids[0]) if tests else None
    return {**found.metrics, **(of_first or {})}


def told(found: FinishedRun) -> str:
    """Its id, and what its code was where that may be other than ours."""
    former, (commit, dirty) = found.tags.get("commit", "unknown"), code_state()
    text = f"{found.run_id} of commit {former[:_SHORT]}" if former != commit else found.run_id
    if dirty or found.tags.get("dirty") == "true":
        text += " (files were changed there or here since a commit)"
    return text
