"""The slow, obvious way to evaluate: batch after batch, model after model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from susystream.evaluate.tally import Tally
from susystream.model.scorer import Scorer
from susystream.schema import EventBatch


def plain_tallies(scan: Iterable[EventBatch], scorers: Mapping[str, Scorer]) -> dict[str, Tally]:
    tallies = {name: Tally.empty() for name in scorers}
    for batch in scan:
        for name, scorer in scorers.items():
            tallies[name].update(scorer.logits(batch.features), batch.labels)
    return tallies
