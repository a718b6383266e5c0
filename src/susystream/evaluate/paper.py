"""What the reference publication reached on the whole SUSY data set.

In: names of features. Out: its AUCs for the same features.
Source: Baldi, Sadowski, Whiteson, Nature Communications 5, 4308 (2014), arXiv:1402.4735, Table II;
trained on millions of events, tested on 500,000.
"""

from __future__ import annotations

from collections.abc import Iterable

from susystream.schema import FEATURE_SETS

SOURCE = "Baldi et al. 2014, Table II"
_METHODS = (
    "boosted trees",
    "shallow network",
    "shallow network, dropout",
    "deep network",
    "deep network, dropout",
)
TABLE_II: dict[str, dict[str, float]] = {
    "low": dict(zip(_METHODS, (0.850, 0.867, 0.856, 0.872, 0.876), strict=True)),
    "high": dict(zip(_METHODS, (0.835, 0.863, 0.859, 0.865, 0.869), strict=True)),
    "complete": dict(zip(_METHODS, (0.863, 0.875, 0.873, 0.876, 0.879), strict=True)),
}


def feature_set(features: Iterable[str]) -> str | None:
    """`low`, `high` or `complete`, or None for any other choice of features; order is free.

    Example:
        >>> from susystream.schema import LOW_LEVEL
        >>> feature_set(reversed(LOW_LEVEL))
        'low'
    """
    chosen = set(features)
    return next((name for name, known in FEATURE_SETS.items() if set(known) == chosen), None)
