"""How long something took, over millions of events, in bounded memory.

In: durations. Out: their percentiles, to two in a hundred.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEAST_MS = 0.01
_STEP = 1.02  # neighbouring bins' edges
_BINS = 1200  # up to two hundred million ms
PERCENTILES = (50.0, 90.0, 99.0, 99.9)


@dataclass(slots=True)
class Latency:
    """A histogram with bins of equal width in the logarithm.

    Example:
        >>> found = Latency()
        >>> found.add(np.array([1.0, 2.0, 100.0]), np.array([50, 49, 1]))
        >>> [round(ms) for ms in found.percentiles((50.0, 99.0, 100.0))]
        [1, 2, 101]
    """

    _counts: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(_BINS, np.int64), init=False, repr=False
    )

    def add(self, milliseconds: NDArray[Any], events: NDArray[Any]) -> None:
        """Adds durations, each of so many events; a clock that went back counts as none."""
        logarithms = np.log(np.maximum(milliseconds, _LEAST_MS) / _LEAST_MS) / np.log(_STEP)
        bins = np.minimum(logarithms.astype(np.int64), _BINS - 1)
        np.add.at(self._counts, bins, np.asarray(events, np.int64))

    @property
    def events(self) -> int:
        """How many were added."""
        return int(self._counts.sum())

    def percentiles(self, wanted: tuple[float, ...] = PERCENTILES) -> list[float]:
        """In milliseconds, the middle of the bin; none if nothing was added."""
        if not self.events:
            return []
        below = np.cumsum(self._counts)
        ranks = np.maximum(np.ceil(np.array(wanted) / 100 * self.events), 1)
        found = np.searchsorted(below, ranks)
        return [float(_LEAST_MS * _STEP ** (one + 0.5)) for one in found]

    def metrics(self, prefix: str) -> dict[str, float]:
        """By name: `<prefix>_p50_ms` to `<prefix>_p99.9_ms`."""
        values = self.percentiles()
        return {
            f"{prefix}_p{one:g}_ms": value for one, value in zip(PERCENTILES, values, strict=False)
        }
