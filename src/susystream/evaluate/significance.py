"""Expected significance of a discovery, as the paper's Table II states it.

In: counts over score bins. Out: Gaussian standard deviations.
Setting: Baldi, Sadowski, Whiteson, Nature Communications 5, 4308 (2014): 100 signal events and
1000 ± 50 background events are expected before any cut. Formula: the median (Asimov) significance
of a counting experiment whose background is known to a relative error; Cowan, Cranmer, Gross,
Vitells, arXiv:1007.1727, with the background's error as in Cowan's note "Discovery sensitivity for
a counting experiment with background uncertainty" (2012). The paper names no cut; here it is the
best one.
"""

from __future__ import annotations

import numpy as np

from susystream.evaluate.bins import BinCounts, Float64Array
from susystream.evaluate.pieces import Piece, pieces

SIGNAL_EVENTS, BACKGROUND_EVENTS, RELATIVE_ERROR = 100.0, 1000.0, 0.05
_PIECE = 1 << 14  # bins: small enough for most to be passed over
_NONE = 1e-9  # stands for no background, which the formula divides by; such cuts are not allowed
FEWEST = 25  # background events above a cut: with fewer its efficiency is a guess, and Z soars


def discovery_significance(counts: BinCounts, *, signal: int, background: int) -> float:
    """The largest significance over all cuts that keep at least `FEWEST` background events.

    Args:
        counts: Of both classes.
        signal: The sum of the signal's, positive.
        background: The sum of the background's, positive.

    Returns:
        Standard deviations; that of no cut at all if there are too few background events.
    """
    fewest = min(FEWEST, background)
    starts = [
        (piece.signal_before, piece.background_before) for piece in pieces(counts, size=_PIECE)
    ]
    s = SIGNAL_EVENTS * (signal - np.array([before for before, _ in starts])) / signal
    kept = background - np.array([before for _, before in starts] + [background])
    at_starts = _significance(s, BACKGROUND_EVENTS * kept[:-1] / background)
    best = float(at_starts[kept[:-1] >= fewest].max())
    # a piece's cuts keep no more signal than its lowest and no less background than its highest,
    # and significance rises with the one and falls with the other: most pieces can be passed over
    bounds = _significance(s, BACKGROUND_EVENTS * np.maximum(kept[1:], fewest) / background)
    for piece, bound in zip(pieces(counts, size=_PIECE), bounds.tolist(), strict=True):
        if bound > best:
            best = max(best, _best_of(piece, signal, background, fewest))
    return best


def _best_of(piece: Piece, signal: int, background: int, fewest: int) -> float:
    kept = background - piece.background_below
    allowed = kept >= fewest
    s = SIGNAL_EVENTS * (signal - piece.signal_below[allowed]) / signal
    found = _significance(s, BACKGROUND_EVENTS * kept[allowed] / background)
    return float(found.max(initial=0.0))


def _significance(s: Float64Array, b: Float64Array) -> Float64Array:
    return asimov_significance(s, np.maximum(b, _NONE), RELATIVE_ERROR * np.maximum(b, _NONE))


def asimov_significance(s: Float64Array, b: Float64Array, error: Float64Array) -> Float64Array:
    """Median significance of `s` signal events over `b ± error` background events, b > 0."""
    variance = error**2
    first = (s + b) * np.log((s + b) * (b + variance) / (b**2 + (s + b) * variance))
    second = b**2 / variance * np.log1p(variance * s / (b * (b + variance)))
    found: Float64Array = np.sqrt(2 * np.maximum(first - second, 0.0))
    return found
