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

SIGNAL_EVENTS, BACKGROUND_EVENTS, RELATIVE_ERROR = 100.0, 1000.0, 0.05
FEWEST = 25  # background events above a cut: with fewer its efficiency is a guess, and Z soars


def discovery_significance(counts: BinCounts, *, signal: int, background: int) -> float:
    """The largest significance over all cuts that keep at least `FEWEST` background events.

    Args:
        counts: int64 counts of both classes.
        signal: The sum of the signal's, positive.
        background: The sum of the background's, positive.

    Returns:
        Standard deviations; that of no cut at all if there are too few background events.
    """
    kept_signal = np.cumsum(counts.signal[::-1])
    kept_background = np.cumsum(counts.background[::-1])
    # the last one is no cut at all, always allowed
    allowed = kept_background >= min(FEWEST, background)
    s = SIGNAL_EVENTS * kept_signal[allowed] / signal
    b = BACKGROUND_EVENTS * kept_background[allowed] / background
    return float(asimov_significance(s, b, RELATIVE_ERROR * b).max())


def asimov_significance(s: Float64Array, b: Float64Array, error: Float64Array) -> Float64Array:
    """Median significance of `s` signal events over `b ± error` background events, b > 0."""
    variance = error**2
    first = (s + b) * np.log((s + b) * (b + variance) / (b**2 + (s + b) * variance))
    second = b**2 / variance * np.log1p(variance * s / (b * (b + variance)))
    found: Float64Array = np.sqrt(2 * np.maximum(first - second, 0.0))
    return found
