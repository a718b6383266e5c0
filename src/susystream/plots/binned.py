"""Counts over the predicted probability, and how sure a count is.

In: a tally, of whatever size: it is gone through a piece of its bins at a time. Out: a few bins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from susystream.errors import EvaluationError
from susystream.evaluate.bins import Float64Array
from susystream.evaluate.metrics import sigmoid
from susystream.evaluate.pieces import pieces
from susystream.evaluate.tally import Tally


@dataclass(frozen=True, slots=True, eq=False)
class BinnedScores:
    """Events in bins of equal width of the predicted probability of signal.

    Attributes:
        edges: Shape (bins + 1,), from 0 to 1.
        signal, background: Events, float64, shape (bins,): whole numbers.
        probability: Mean prediction of the events of each bin, shape (bins,); NaN without events.
    """

    edges: Float64Array
    signal: Float64Array
    background: Float64Array
    probability: Float64Array

    @property
    def events(self) -> Float64Array:
        """Of both classes."""
        return self.signal + self.background


def binned_scores(name: str, tally: Tally, *, bins: int) -> BinnedScores:
    """Counts of a set over `bins` bins of sigmoid(logit); the last one holds 1 too.

    A logit stands in the middle of its bin of the tally: exact at level 0, half a bin off at most
    otherwise.

    Raises:
        EvaluationError: The tally lacks a class.
    """
    check_both_classes(name, tally)
    signal, background, weighted = np.zeros(bins), np.zeros(bins), np.zeros(bins)
    for piece in pieces(tally.counts):
        probability = sigmoid(piece.logits())
        at = np.minimum((probability * bins).astype(np.intp), bins - 1)
        signal += np.bincount(at, piece.signal, bins)
        background += np.bincount(at, piece.background, bins)
        weighted += np.bincount(at, probability * (piece.signal + piece.background), bins)
    events = signal + background
    mean = np.divide(weighted, events, out=np.full(bins, np.nan), where=events > 0)
    return BinnedScores(np.linspace(0, 1, bins + 1), signal, background, mean)


def check_both_classes(name: str, tally: Tally) -> None:
    """Whether there is something to tell apart.

    Raises:
        EvaluationError: There is not.
    """
    if not tally.signal or not tally.background:
        raise EvaluationError(
            f"expected both classes in {name}, received {tally.signal} signal and "
            f"{tally.background} background events; draw a set that holds both"
        )


def binomial_interval(passed: Float64Array, tried: Float64Array) -> tuple[Float64Array, ...]:
    """Lower and upper end of Wilson's interval of one standard deviation for a fraction.

    Wilson 1927: the fractions p with abs(p - passed/tried) <= sqrt(p (1 - p) / tried). Unlike
    the textbook's ± sqrt(p (1 - p) / n) it is not empty where all or none passed.

    Args:
        passed: How many passed.
        tried: Of how many; same shape, positive.
    """
    centre = (passed + 0.5) / (tried + 1)
    half = np.sqrt(passed * (tried - passed) / tried + 0.25) / (tried + 1)
    return centre - half, centre + half
