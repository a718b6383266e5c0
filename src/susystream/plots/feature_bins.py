"""One feature of two samples of events over the same bins, class by class.

In: batches of events. Out: counts, densities, and how far the samples are apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import hist
import numpy as np

from susystream.evaluate.bins import Float64Array
from susystream.physics.units import UNITS
from susystream.schema import FEATURES, EventBatch, UInt8Array

_EDGES = (0.5, 99.5)  # percent of the events lie between the ends of an axis
_MANY, _FEW = 36, 16  # bins
_FEW_EVENTS = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """Events of one class; two samples of them, ours and real ones.

    Attributes:
        edges: Of the bins, in the feature's unit.
        ours, real: Events in each bin, float64, shape (bins,).
        ours_all, real_all: Events of the class, outside of the bins too.
    """

    edges: Float64Array
    ours: Float64Array
    real: Float64Array
    ours_all: float
    real_all: float

    def densities(self) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Of ours, of the real ones, and the latter's standard deviation; the area of all is 1."""
        width = np.diff(self.edges)
        ours, real = (width * max(all_, 1) for all_ in (self.ours_all, self.real_all))
        return self.ours / ours, self.real / real, np.sqrt(self.real) / real

    def pulls(self) -> Float64Array:
        """(real - ours) in standard deviations, if both are of one distribution.

        That of the difference of two binomial fractions, by the fraction of both together, so that
        it is not 0 where only one of them is. NaN where both are, or a sample lacks the class.
        """
        if not self.ours_all or not self.real_all:
            return np.full(len(self.ours), np.nan)
        difference = self.real / self.real_all - self.ours / self.ours_all
        share = (self.real + self.ours) / (self.real_all + self.ours_all)
        error = np.sqrt(share * (1 - share) * (1 / self.real_all + 1 / self.ours_all))
        return np.divide(difference, error, out=np.full(len(share), np.nan), where=error > 0)


def beside(feature: str, ours: EventBatch, real: EventBatch) -> tuple[Beside, Beside]:
    """Background and signal of both samples.

    Args:
        feature: One of the 18.
        ours: At least one event.
        real: At least one event.
    """
    at, unit = FEATURES.index(feature), UNITS[feature]
    values = [unit.values(one.features[:, at].astype(np.float64)) for one in (ours, real)]
    axis = _axis(*values)
    ours_counts, real_counts = (
        _counts(axis, x, one.labels) for x, one in zip(values, (ours, real), strict=True)
    )
    background, signal = (
        Beside(
            np.asarray(axis.edges, np.float64),
            ours_counts[label, 1:-1],
            real_counts[label, 1:-1],
            float(ours_counts[label].sum()),
            float(real_counts[label].sum()),
        )
        for label in (0, 1)
    )
    return background, signal


def _axis(ours: Float64Array, real: Float64Array) -> hist.axis.Regular:
    """Bins that hold nearly all of both, as fine as the smaller sample bears."""
    ends = np.percentile(ours, _EDGES), np.percentile(real, _EDGES)
    low, high = float(min(e[0] for e in ends)), float(max(e[1] for e in ends))
    bins = _MANY if min(len(ours), len(real)) > _FEW_EVENTS else _FEW
    return hist.axis.Regular(bins, low, high if high > low else low + 1, name="value")


def _counts(axis: hist.axis.Regular, values: Float64Array, labels: UInt8Array) -> Float64Array:
    """Shape (2, bins + 2): what lies below the first bin and above the last one too."""
    classes = hist.axis.Integer(0, 2, name="label", underflow=False, overflow=False)
    counted = hist.Hist(classes, axis, storage=hist.storage.Double())
    counted.fill(label=labels, value=values)
    return np.asarray(counted.values(flow=True), np.float64)
