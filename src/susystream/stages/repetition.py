"""Whether a repeated run gave the same model, and the same figures.

In: the setting `repeats`, and the new model or figures. Out: a tag on the new run, a line, and the
verdict: True, False, or None where nothing could be compared. What is away, or unreadable, makes
a run that is done no less true, so it is only told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from susystream.errors import NotFound, RegistryError, TrackingError
from susystream.registry.document import ModelDocument
from susystream.stages.context import StageContext
from susystream.stages.recording import Evaluated
from susystream.tracking.recorded_tests import RecordedTests
from susystream.tracking.tracked_run import TrackedRun, safe_name

EQUAL = "repeats_equal"
_COMPARED = ("auc", "log_loss", "accuracy")


def compare_with_repeated(
    context: StageContext, run: TrackedRun, document: ModelDocument
) -> bool | None:
    """Compares the weights with those of the repeated run's model, bit for bit."""
    repeated = context.settings.repeats
    former = None if repeated is None else _former_digest(context, repeated)
    if former is None:
        return None
    equal = document.weights_sha256 == former
    run.set_tags(tags_of(equal))
    if equal:
        context.note(f"its weights equal those of run {repeated}, bit for bit")
    else:
        digests = f"sha256 {former[:12]}… there, {document.weights_sha256[:12]}… here"
        context.note(f"its weights differ from those of run {repeated}: {digests}")
    return equal


def compare_figures(
    context: StageContext,
    run: TrackedRun,
    found: Mapping[str, Mapping[str, float]],
    sets: Sequence[Evaluated],
) -> bool | None:
    """Compares AUC, log loss and accuracy with those of the repeated run, to the last bit.

    Args:
        context: The repeated run, and the tracking server.
        run: Of the evaluation.
        found: Figures by the name of what was scored.
        sets: On which events.
    """
    repeated = context.settings.repeats
    former = None if repeated is None else _former_tests(context, repeated)
    if former is None:
        return None
    models, same = _counterparts(found, former), _same(sets, former)
    others = [name for name in found if name not in models]
    others += [one.name for one in sets if one.name not in same]
    if others:
        context.note(f"not tested so by run {repeated}, and not compared: {', '.join(others)}")
    differ = list(_differences(found, former, models, same))
    equal = False if differ else None if others else True
    run.set_tags(tags_of(equal))
    if differ:
        more = f"; {len(differ) - 1} more" if len(differ) > 1 else ""
        context.note(f"its figures differ from those of run {repeated}: {differ[0]}{more}")
    elif equal:
        context.note(f"its figures equal those of run {repeated}, to the last bit")
    return equal


def of_both(*verdicts: bool | None) -> bool | None:
    """The verdict on several steps, as far as they were compared."""
    known = [one for one in verdicts if one is not None]
    return all(known) if known else None


def tags_of(verdict: bool | None) -> dict[str, str]:
    """What a run bears."""
    return {} if verdict is None else {EQUAL: str(verdict).lower()}


def _counterparts(found: Mapping[str, object], former: RecordedTests) -> dict[str, str]:
    """What was scored here, and its name there; the one model of a repeated chain has a new id."""
    if len(found) == len(former.figures) == 1:
        return dict(zip(found, former.figures, strict=True))
    return {name: name for name in found if name in former.figures}


def _same(sets: Sequence[Evaluated], former: RecordedTests) -> list[str]:
    """The sets that hold the same events there."""
    return [one.name for one in sets if former.digests.get(one.name) == one.identity["digest"]]


def _differences(
    found: Mapping[str, Mapping[str, float]],
    former: RecordedTests,
    models: Mapping[str, str],
    sets: Sequence[str],
) -> Iterator[str]:
    names = [f"test/{one}/{figure}" for one in sets for figure in _COMPARED]
    for here, there in models.items():
        for name in names:
            known = former.figures[there].get(safe_name(name))
            if known != found[here][name]:
                yield f"{name} of {here}: {known} there, {found[here][name]} here"


def _former_digest(context: StageContext, repeated: str) -> str | None:
    try:
        model_id = context.tracker.tags_of(repeated).get("model_id")
        if model_id is not None:
            return context.store.load_model(model_id).weights_sha256
        context.note(f"run {repeated} left no model to compare with")
    except NotFound:
        context.note(f"model {model_id} of run {repeated} is not in this store to compare with")
    except (RegistryError, TrackingError) as error:
        context.note(f"the weights are not compared with those of run {repeated}: {error}")
    return None


def _former_tests(context: StageContext, repeated: str) -> RecordedTests | None:
    try:
        former = context.tracker.tests_of(repeated)
    except TrackingError as error:
        context.note(f"the figures are not compared with those of run {repeated}: {error}")
        return None
    if former is None:
        context.note(f"run {repeated} left no figures to compare with")
    return former
