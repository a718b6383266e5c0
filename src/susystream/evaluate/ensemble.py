"""Several models as one: the mean of their logits, or of their probabilities.

In: logits of each member. Out: the ensemble's logits, out of the members' own: no event is scored
twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from susystream.schema import Float32Array

if TYPE_CHECKING:
    from susystream.model.scorer import Scorer

NAME = "ensemble"  # among the names of models; no model may have it as its id
Mean = Literal["logits", "probabilities"]


@dataclass(frozen=True, slots=True)
class Ensemble:
    """A scorer made of others.

    Attributes:
        members: At least one, by name.
        mean: Of what.
    """

    members: Mapping[str, Scorer]
    mean: Mean

    def logits(self, features: Float32Array) -> Float32Array:
        """Logits, float32 of shape (n,), of features of shape (n, 18): scores by each member."""
        return self.of({name: one.logits(features) for name, one in self.members.items()})

    def of(self, found: Mapping[str, Float32Array]) -> Float32Array:
        """Logits, float32 of shape (n,), out of those of the members and maybe of others."""
        return combined([found[name] for name in self.members], self.mean)


def with_ensemble(scorers: Mapping[str, Scorer], mean: Mean | None) -> dict[str, Scorer]:
    """The scorers, and behind them their ensemble if there is to be one."""
    return {**scorers, NAME: Ensemble(scorers, mean)} if mean else dict(scorers)


def logits_of(scorers: Mapping[str, Scorer], features: Float32Array) -> dict[str, Float32Array]:
    """Logits by name; an ensemble stands behind its members and scores nothing anew."""
    found: dict[str, Float32Array] = {}
    for name, scorer in scorers.items():
        found[name] = scorer.of(found) if isinstance(scorer, Ensemble) else scorer.logits(features)
    return found


def combined(logits: Sequence[Float32Array], mean: Mean) -> Float32Array:
    """The logits of the members' mean, computed in float64.

    The logit of a mean probability m of k members is log(m / (1 - m)), and the factor 1/k of both
    falls out: log Σ sigmoid(l) - log Σ sigmoid(-l), as sums of exponentials of log-sigmoids. So
    nothing overflows, and no probability is rounded to 1.

    Args:
        logits: Of each member, float32 of shape (n,).
        mean: Of the logits, or of the probabilities of signal.

    Returns:
        float32, shape (n,), the same bits however the events are cut. What is not finite stays so.
    """
    members = np.stack(logits).astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):  # who counts them refuses such logits
        if mean == "logits":
            return np.asarray(members.mean(axis=0), np.float32)
        signal = -np.logaddexp(0.0, -members)
        background = signal - members
        odds = np.logaddexp.reduce(signal) - np.logaddexp.reduce(background)
        return np.asarray(odds, np.float32)
