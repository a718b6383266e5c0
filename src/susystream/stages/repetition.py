"""Whether a repeated training gave the same model.

In: the setting `repeats`, and the new model. Out: a tag on the new run, and a line.
"""

from __future__ import annotations

from susystream.errors import NotFound, TrackingError
from susystream.registry.document import ModelDocument
from susystream.stages.context import StageContext
from susystream.tracking.tracked_run import TrackedRun

EQUAL = "repeats_equal"


def compare_with_repeated(context: StageContext, run: TrackedRun, document: ModelDocument) -> None:
    """Compares the weights with those of the repeated run's model, bit for bit."""
    repeated = context.settings.repeats
    if repeated is None:
        return
    former = _former_digest(context, repeated)
    if former is None:
        return
    equal = document.weights_sha256 == former
    run.set_tags({EQUAL: str(equal).lower()})
    if equal:
        context.note(f"its weights equal those of run {repeated}, bit for bit")
    else:
        digests = f"sha256 {former[:12]}… there, {document.weights_sha256[:12]}… here"
        context.note(f"its weights differ from those of run {repeated}: {digests}")


def equal_of(context: StageContext, run_id: str) -> dict[str, str]:
    """What a training run says of its repetition, for the run it is a part of."""
    if context.settings.repeats is None:
        return {}
    tags = context.tracker.tags_of(run_id)
    return {EQUAL: tags[EQUAL]} if EQUAL in tags else {}


def _former_digest(context: StageContext, repeated: str) -> str | None:
    try:
        model_id = context.tracker.tags_of(repeated).get("model_id")
    except TrackingError as error:  # the server went away: the training is no less true
        context.note(f"the weights are not compared with those of run {repeated}: {error}")
        return None
    if model_id is None:
        context.note(f"run {repeated} left no model to compare with")
        return None
    try:
        return context.store.load_model(model_id).weights_sha256
    except NotFound:
        context.note(f"model {model_id} of run {repeated} is not in this store to compare with")
        return None
