"""How many digits of a value say something.

In: values and their standard errors. Out: decimals, texts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

_MOST = 6  # decimals
_USUAL = 4  # decimals of an AUC, also where its error would bear fewer


def places(errors: Sequence[float], values: Sequence[float]) -> int:
    """Decimals that show two digits of the smallest error, or four of the largest value.

    Args:
        errors: Those that are 0 or not finite are unknown.
        values: Those that are not finite count for nothing.
    """
    known = [one for one in errors if math.isfinite(one) and one > 0]
    if known:
        return min(max(1 - math.floor(math.log10(min(known))), 0), _MOST)
    largest = max((abs(one) for one in values if math.isfinite(one)), default=0)
    return min(max(3 - math.floor(math.log10(largest or 1)), 0), _MOST)


def with_error(value: float, error: float, *, sign: str = " ± ") -> str:
    """An AUC with its standard error: four decimals, or more where the error is so small.

    Example:
        >>> with_error(0.84441, 0.0175), with_error(0.866138, 0.000043, sign="±")
        ('0.8444 ± 0.0175', '0.866138±0.000043')
    """
    shown = max(_USUAL, places([error], [value]))
    return f"{value:.{shown}f}{sign}{error:.{shown}f}"
