"""What bfloat16 costs: the AUC of a sample in both precisions.

In: a test set's source, models, their plans. Out: by how much each model's AUC differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from susystream.data.source import Source
from susystream.evaluate.metrics import main_figures
from susystream.evaluate.tally import Tally
from susystream.model.scorer import Scorer
from susystream.model.scorer_plan import ScorerPlan
from susystream.registry.document import ModelDocument
from susystream.schema import EventBatch, concatenate
from susystream.stages.models import scorer_plan_of

SAMPLE = 131_072  # events: the difference is some 1e-6, and both AUCs are of the same events
ALLOWED = 1e-4
NAME = "bfloat16_auc_difference"


def auc_differences(
    source: Source, documents: Mapping[str, ModelDocument], plans: Mapping[str, ScorerPlan]
) -> dict[str, float]:
    """|AUC in bfloat16 - AUC in float32| of the set's first events, by model.

    Args:
        source: The set.
        documents: The models.
        plans: How they are scored in bfloat16.

    Returns:
        Nothing if the sample holds one class alone.
    """
    sample = concatenate(list(_first(source)))
    if not 0 < int(sample.labels.sum()) < len(sample):
        return {}
    found = {}
    for name, document in documents.items():
        exact = scorer_plan_of(document, scorer="openvino").open()
        found[name] = abs(_auc(plans[name].open(), sample) - _auc(exact, sample))
    return found


def _first(source: Source) -> Iterator[EventBatch]:
    left = SAMPLE
    for batch in source.batches():
        yield batch[:left]
        left -= min(left, len(batch))
        if not left:
            return


def _auc(scorer: Scorer, events: EventBatch) -> float:
    tally = Tally.empty().update(scorer.logits(events.features), events.labels)
    return main_figures(tally)["auc"]
