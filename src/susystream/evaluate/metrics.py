"""Every number of an evaluation, from the merged counts alone.

In: a `Tally`. Out: {name: value}, all finite.
Sums that decide the AUC and the accuracy are exact integers; the rest is float64, summed in the
order of the bins, so that equal tallies give equal numbers to the last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from susystream.errors import EvaluationError
from susystream.evaluate.bins import POSITIVE, BinCounts, CountArray, Float64Array, bin_edges
from susystream.evaluate.significance import discovery_significance
from susystream.evaluate.tally import Tally

EFFICIENCIES = (0.3, 0.5, 0.7, 0.9)  # of the signal, at which background is rejected
CALIBRATION_BINS = 15
NORMAL_95 = 1.959963984540054  # of a standard normal, 95 % lie within plus or minus this
_LIMB = 21  # bits: a count of up to 2**42 events times a limb stays below 2**63


@dataclass(frozen=True, slots=True)
class Curve:
    """Efficiencies when everything in or above a bin is called signal, from no event to all.

    Attributes:
        signal, background: float64, shape (b + 1,), rising from 0 to 1.
    """

    signal: Float64Array
    background: Float64Array


def metrics(tally: Tally) -> dict[str, float]:
    """Quality of a binary classifier.

    - `auc`: probability that a signal event scores above a background event, ties counting half
      (Mann-Whitney). `auc_low`, `auc_high`: the exact AUC lies between them, since the pairs
      inside a joined bin can add no less than 0 and no more than all. While the tally is exact
      the three are equal; otherwise `auc` is the middle.
    - `auc_stderr`: standard error of the AUC (DeLong, DeLong, Clarke-Pearson 1988); the variance
      of a class with a single event counts as 0. `auc_ci95_low`, `auc_ci95_high`: the bracket
      widened by 1.96 of it, within [0, 1].
    - `accuracy`: share of events on the right side of logit > 0, Keras' probability > 0.5; exact
      at every level, for no bin holds both sides.
    - `log_loss` (nats) and `brier`: mean of softplus(∓logit) and of (sigmoid(logit) - label)²,
      at the middle of each bin: within 2e-6 in a logit of 1 at the default limit.
    - `ece`: expected calibration error (Naeini, Cooper, Hauskrecht 2015), over 15 bins of equal
      width in the probability of signal: the mean distance, weighted by events, of the mean
      probability from the share of signal.
    - `background_rejection_at_0.5` and at 0.3, 0.7, 0.9: 1 / background efficiency at the highest
      cut that keeps at least that share of the signal. If no background event passes it is the
      number of background events: a lower bound, for infinity has no place in JSON.
    - `significance`: see `susystream.evaluate.significance`.
    - `rows`, `signal`, `background`: how many events.

    Raises:
        EvaluationError: Not both classes were counted.
    """
    counts, (signal, background) = _wide(tally.counts), _totals(tally)
    near, far = bin_edges(counts)
    logits = (near + far) / 2
    rows = signal + background
    return {
        **_auc(counts, signal, background),
        "accuracy": _right(counts) / rows,
        "log_loss": _mean(counts, np.logaddexp(0, -logits), np.logaddexp(0, logits)),
        "brier": _mean(counts, sigmoid(-logits) ** 2, sigmoid(logits) ** 2),
        "ece": _calibration_error(counts, sigmoid(logits)),
        **_rejections(counts, signal, background),
        "significance": discovery_significance(counts, signal=signal, background=background),
        "rows": float(rows),
        "signal": float(signal),
        "background": float(background),
    }


def curve(tally: Tally) -> Curve:
    """Signal and background efficiency at every cut, the highest cut first.

    Raises:
        EvaluationError: Not both classes were counted.
    """
    counts, (signal, background) = _wide(tally.counts), _totals(tally)
    passed = (np.cumsum(np.append(0, c[::-1])) for c in (counts.signal, counts.background))
    return Curve(next(passed) / signal, next(passed) / background)


def sigmoid(logits: Float64Array) -> Float64Array:
    """Probability of signal, 1 / (1 + exp(-logit)), without overflow; float64, same shape."""
    decay = np.exp(-np.abs(logits))
    return np.asarray(np.where(logits < 0, decay, 1.0) / (1.0 + decay), np.float64)


def _wide(counts: BinCounts) -> BinCounts:
    """The counts as int64, which their running sums need."""
    signal, background = counts.signal.astype(np.int64), counts.background.astype(np.int64)
    return replace(counts, signal=signal, background=background)


def _totals(tally: Tally) -> tuple[int, int]:
    signal, background = tally.signal, tally.background
    if not signal or not background:
        raise EvaluationError(
            f"expected signal and background events, received {signal} and {background}; "
            "evaluate on a set that holds both"
        )
    return signal, background


def _auc(counts: BinCounts, signal: int, background: int) -> dict[str, float]:
    pairs = signal * background
    below = np.cumsum(counts.background) - counts.background
    low = _dot(counts.signal, below)
    inside = _dot(counts.signal, counts.background)
    auc = (2 * low + inside) / (2 * pairs)  # Python's division of integers is correctly rounded
    exact = counts.level == 0
    least, most = (auc, auc) if exact else (low / pairs, (low + inside) / pairs)
    stderr = _stderr(counts, auc, signal, background)
    return {
        "auc": auc,
        "auc_low": least,
        "auc_high": most,
        "auc_stderr": stderr,
        "auc_ci95_low": max(least - NORMAL_95 * stderr, 0.0),
        "auc_ci95_high": min(most + NORMAL_95 * stderr, 1.0),
    }


def _stderr(counts: BinCounts, auc: float, signal: int, background: int) -> float:
    """DeLong's variance: that of each event's share of the other class which it beats."""
    beaten = (np.cumsum(counts.background) - counts.background / 2) / background
    beating = (signal - np.cumsum(counts.signal) + counts.signal / 2) / signal
    of_signal = float(np.dot(counts.signal, (beaten - auc) ** 2)) / max(signal - 1, 1)
    of_background = float(np.dot(counts.background, (beating - auc) ** 2)) / max(background - 1, 1)
    return math.sqrt(of_signal / signal + of_background / background)


def _right(counts: BinCounts) -> int:
    first = int(np.searchsorted(counts.keys, POSITIVE))
    return int(counts.background[:first].sum()) + int(counts.signal[first:].sum())


def _mean(counts: BinCounts, if_signal: Float64Array, if_background: Float64Array) -> float:
    total = np.dot(counts.signal, if_signal) + np.dot(counts.background, if_background)
    return float(total) / (int(counts.signal.sum()) + int(counts.background.sum()))


def _rejections(counts: BinCounts, signal: int, background: int) -> dict[str, float]:
    kept, passed = (np.cumsum(c[::-1]) for c in (counts.signal, counts.background))
    found = {}
    for efficiency in EFFICIENCIES:
        wanted = math.ceil(Fraction(str(efficiency)) * signal)
        at = int(np.searchsorted(kept, wanted))
        found[f"background_rejection_at_{efficiency}"] = background / max(int(passed[at]), 1)
    return found


def _calibration_error(counts: BinCounts, probability: Float64Array) -> float:
    bins = np.minimum((probability * CALIBRATION_BINS).astype(np.intp), CALIBRATION_BINS - 1)
    events = (counts.signal + counts.background).astype(np.float64)
    excess = np.bincount(bins, events * probability - counts.signal, CALIBRATION_BINS)
    return float(np.abs(excess).sum() / events.sum())


def _dot(first: CountArray, second: CountArray) -> int:
    """The exact sum of products of counts, where int64 would overflow, limb by limb."""
    mask = (1 << _LIMB) - 1
    return sum(
        int(np.dot(first, (second >> shift) & mask)) << shift for shift in range(0, 63, _LIMB)
    )
