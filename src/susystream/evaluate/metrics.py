"""Every number of an evaluation, from the merged counts alone.

In: a `Tally`. Out: {name: value}, all finite.
Sums that decide the AUC and the accuracy are exact integers; the rest is float64, summed in the
order of the bins, so that equal tallies give equal numbers to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from susystream.errors import EvaluationError
from susystream.evaluate.bins import BinCounts, CountArray, Float64Array
from susystream.evaluate.pieces import pieces
from susystream.evaluate.significance import discovery_significance
from susystream.evaluate.tally import Tally

EFFICIENCIES = (0.3, 0.5, 0.7, 0.9)  # of the signal, at which background is rejected
NAMES = (  # of all figures that `metrics` gives
    *("auc", "auc_low", "auc_high", "auc_stderr", "auc_ci95_low", "auc_ci95_high"),
    *("accuracy", "log_loss", "brier", "ece"),
    *(f"background_rejection_at_{efficiency}" for efficiency in EFFICIENCIES),
    *("significance", "rows", "signal", "background"),
)
CALIBRATION_BINS = 15
NORMAL_95 = 1.959963984540054  # of a standard normal, 95 % lie within plus or minus this
WIDE = 1e-6  # of a bracket: beyond it, it is worth a word
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
      the three are equal; otherwise `auc` is the middle. The bracket is about 1e-6 wide for scores
      of one spread, wider if many lie in a far narrower group than the rest: see `wide`.
    - `auc_stderr`: standard error of the AUC (DeLong, DeLong, Clarke-Pearson 1988); the variance
      of a class with a single event counts as 0. `auc_ci95_low`, `auc_ci95_high`: the bracket
      widened by 1.96 of it, within [0, 1].
    - `accuracy`: share of events on the right side of logit > 0, Keras' probability > 0.5; exact
      at every level, for no bin holds both sides.
    - `log_loss` (nats) and `brier`: mean of softplus(∓logit) and of (sigmoid(logit) - label)²,
      at the middle of each bin: a logit is off by half a bin at most.
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
    counts, (signal, background) = tally.counts, _totals(tally)
    with ThreadPoolExecutor(3, "metrics") as pool:
        auc = pool.submit(_auc_figures, counts, signal, background)
        losses = pool.submit(_losses, counts)
        cuts = pool.submit(_cut_figures, counts, signal, background)
    return {
        **auc.result(),
        **losses.result(),
        **cuts.result(),
        "rows": float(signal + background),
        "signal": float(signal),
        "background": float(background),
    }


def main_figures(tally: Tally) -> dict[str, float]:
    """`auc`, `accuracy` and `log_loss` of `metrics`, in a third of its time.

    Raises:
        EvaluationError: Not both classes were counted.
    """
    auc, _, _ = _auc(tally.counts, *_totals(tally))
    losses = _losses(tally.counts)
    return {"auc": auc, "accuracy": losses["accuracy"], "log_loss": losses["log_loss"]}


def wide(figures: Mapping[str, float]) -> str | None:
    """A line that says so if the AUC is proven to less than six places; else None.

    Args:
        figures: As `metrics` gives them.
    """
    low, high = figures["auc_low"], figures["auc_high"]
    if high - low <= WIDE:
        return None
    return (
        f"the AUC is proven to lie between {low:.7f} and {high:.7f} only, {high - low:.1e} apart "
        f"and not {WIDE:.0e}: many scores lie in a far narrower group than the rest"
    )


def curve(tally: Tally) -> Curve:
    """Signal and background efficiency at every cut, the highest cut first.

    Raises:
        EvaluationError: Not both classes were counted.
    """
    counts, (signal, background) = tally.counts, _totals(tally)
    passed = (
        np.cumsum(np.append(0, c[::-1]), dtype=np.int64) for c in (counts.signal, counts.background)
    )
    return Curve(next(passed) / signal, next(passed) / background)


def sigmoid(logits: Float64Array) -> Float64Array:
    """Probability of signal, 1 / (1 + exp(-logit)), without overflow; float64, same shape."""
    decay = np.exp(-np.abs(logits))
    return np.asarray(np.where(logits < 0, decay, 1.0) / (1.0 + decay), np.float64)


def _totals(tally: Tally) -> tuple[int, int]:
    signal, background = tally.signal, tally.background
    if not signal or not background:
        raise EvaluationError(
            f"expected signal and background events, received {signal} and {background}; "
            "evaluate on a set that holds both"
        )
    return signal, background


def _auc(counts: BinCounts, signal: int, background: int) -> tuple[float, float, float]:
    """The middle and both ends of the bracket."""
    pairs = signal * background
    low = inside = 0
    for piece in pieces(counts):
        low += _dot(piece.signal, piece.background_below)
        inside += _dot(piece.signal, piece.background)
    auc = (2 * low + inside) / (2 * pairs)  # Python's division of integers is correctly rounded
    if counts.level == 0:
        return auc, auc, auc
    return auc, low / pairs, (low + inside) / pairs


def _auc_figures(counts: BinCounts, signal: int, background: int) -> dict[str, float]:
    auc, least, most = _auc(counts, signal, background)
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
    of_signal = of_background = 0.0
    for piece in pieces(counts):
        beaten = (piece.background_below + piece.background / 2) / background
        beating = (signal - piece.signal_below - piece.signal / 2) / signal
        of_signal += _sum(piece.signal * (beaten - auc) ** 2)
        of_background += _sum(piece.background * (beating - auc) ** 2)
    return math.sqrt(
        of_signal / max(signal - 1, 1) / signal
        + of_background / max(background - 1, 1) / background
    )


def _losses(counts: BinCounts) -> dict[str, float]:
    """What depends on the scores' values; each exponential is computed once."""
    right, log_loss, brier, excess = 0, 0.0, 0.0, np.zeros(CALIBRATION_BINS)
    for piece in pieces(counts):
        first, logits = piece.first_positive, piece.logits()
        agreeing = np.append(piece.background[:first], piece.signal[first:])
        opposed = np.append(piece.signal[:first], piece.background[first:])
        right += int(agreeing.sum())
        size = np.abs(logits)
        decay = np.exp(-size)
        sure = 1 / (1 + decay)  # the probability of what the score's sign says
        events = piece.signal + piece.background
        log_loss += _sum(events * np.log1p(decay)) + _sum(opposed * size)
        brier += _sum(opposed * sure**2) + _sum(agreeing * (decay * sure) ** 2)
        probability = np.append((decay * sure)[:first], sure[first:])
        excess += _excess(probability, events * probability - piece.signal)
    return {
        "accuracy": right / counts.events,
        "log_loss": log_loss / counts.events,
        "brier": brier / counts.events,
        "ece": float(np.abs(excess).sum()) / counts.events,
    }


def _excess(probability: Float64Array, distance: Float64Array) -> Float64Array:
    """Distances summed over bins of equal width in the probability, which rises."""
    at = np.searchsorted(probability * CALIBRATION_BINS, np.arange(CALIBRATION_BINS))
    at[0] = 0
    total = np.append(0, np.cumsum(distance))
    return np.diff(total[np.append(at, len(distance))])


def _cut_figures(counts: BinCounts, signal: int, background: int) -> dict[str, float]:
    return {
        **_rejections(counts, signal, background),
        "significance": discovery_significance(counts, signal=signal, background=background),
    }


def _rejections(counts: BinCounts, signal: int, background: int) -> dict[str, float]:
    """The cut is the highest bin below which no more signal lies than may be lost."""
    lost = [signal - math.ceil(Fraction(str(one)) * signal) for one in EFFICIENCIES]
    passed = [background] * len(lost)
    for piece in pieces(counts):
        at = np.searchsorted(piece.signal_below, lost, side="right") - 1
        below = piece.background_below
        passed = [
            background - int(below[i]) if i >= 0 else p for i, p in zip(at, passed, strict=True)
        ]
    return {
        f"background_rejection_at_{one}": background / max(p, 1)
        for one, p in zip(EFFICIENCIES, passed, strict=True)
    }


def _sum(values: Float64Array) -> float:
    """In an order that does not depend on the number of processors, as a library's dot may."""
    return float(np.sum(values))


def _dot(first: CountArray, second: CountArray) -> int:
    """The exact sum of products of counts, limb by limb where int64 would overflow."""
    most = int(second.max(initial=0))
    if int(first.sum(dtype=np.int64)) * most < 1 << 63:
        return int((first * second).sum())
    mask = (1 << _LIMB) - 1
    return sum(
        int(np.dot(first, (second >> shift) & mask)) << shift for shift in range(0, 63, _LIMB)
    )
