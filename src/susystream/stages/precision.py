"""What bfloat16 costs: the AUC of a sample in both precisions.

In: a test set, models, how they are scored. Out: by how much each model's AUC differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from susystream.data.files import FilesSource, sifted_events
from susystream.data.source import FileSource, Source
from susystream.evaluate.ensemble import Mean, logits_of, with_ensemble
from susystream.evaluate.metrics import main_figures
from susystream.evaluate.tally import Tally
from susystream.model.scorer_plan import ScorerPlan
from susystream.registry.document import ModelDocument
from susystream.schema import EventBatch, concatenate
from susystream.stages.context import StageContext
from susystream.stages.models import scorer_plan_of
from susystream.stages.testsets import NamedSet

SAMPLE = 131_072  # events: the difference is some 1e-6, and both AUCs are of the same events
ALLOWED = 1e-4
NAME = "bfloat16_auc_difference"


class Scoring(Protocol):
    """What is scored, and how."""

    @property
    def context(self) -> StageContext:
        """The settings, and where a warning goes."""

    @property
    def documents(self) -> Mapping[str, ModelDocument]:
        """The models."""

    @property
    def plans(self) -> Mapping[str, ScorerPlan]:
        """How they are scored."""


def auc_differences(scoring: Scoring, wanted: NamedSet) -> dict[str, float]:
    """|AUC in bfloat16 - AUC in float32| of a set's first events, by model.

    Returns:
        Nothing if bfloat16 is not how they are scored, or the sample holds one class alone.
    """
    chosen = scoring.context.settings.evaluate
    if chosen.precision != "bfloat16":
        return {}
    skip_bad = chosen.bad_rows == "skip"
    sample = concatenate(list(_first(wanted.source, skip_bad=skip_bad)))
    if not 0 < int(sample.labels.sum()) < len(sample):
        return {}
    exact = {
        name: scorer_plan_of(document, scorer="openvino")
        for name, document in scoring.documents.items()
    }
    found = _aucs(exact, chosen.ensemble, sample)
    for name, auc in _aucs(scoring.plans, chosen.ensemble, sample).items():
        found[name] = abs(auc - found[name])
        if found[name] > ALLOWED:
            scoring.context.note(
                f"{wanted.name}: bfloat16 moves the AUC of {name} by {found[name]:.1e}, more "
                f"than {ALLOWED:.0e}; evaluate.precision=float32 is exact"
            )
    return found


def _first(source: Source, *, skip_bad: bool) -> Iterator[EventBatch]:
    """The first events, read as they will be counted."""
    left = SAMPLE
    batches: Iterator[EventBatch] = source.batches()
    if skip_bad and isinstance(source, FileSource | FilesSource):
        batches = (part.events for part in sifted_events(source))
    for batch in batches:
        yield batch[:left]
        left -= min(left, len(batch))
        if not left:
            return


def _aucs(
    plans: Mapping[str, ScorerPlan], mean: Mean | None, events: EventBatch
) -> dict[str, float]:
    """Of each model, and of their ensemble if there is to be one."""
    scorers = with_ensemble({name: plan.open() for name, plan in plans.items()}, mean)
    return {
        name: main_figures(Tally.empty().update(logits, events.labels))["auc"]
        for name, logits in logits_of(scorers, events.features).items()
    }
