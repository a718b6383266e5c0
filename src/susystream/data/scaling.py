"""The scaler: each feature's mean and standard deviation, over training events only.

In: batches. Out: a `Scaler`. The network itself applies it, so a stored model takes raw columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from susystream.errors import DataError, DocumentInvalid
from susystream.schema import FEATURES, EventBatch


@dataclass(frozen=True, slots=True)
class Scaler:
    """Means and standard deviations in the order of `FEATURES`."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """As stored."""
        return {"kind": "standard", "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Scaler:
        """The stored scaler.

        Raises:
            DocumentInvalid: It has another form.
        """
        try:
            mean = tuple(float(x) for x in value["mean"])
            std = tuple(float(x) for x in value["std"])
        except (KeyError, TypeError, ValueError) as error:
            raise DocumentInvalid(f"expected a scaler {{mean, std}}, received {value!r}") from error
        good = len(mean) == len(std) == len(FEATURES) and min(std) > 0
        if not good or not np.isfinite([*mean, *std]).all():
            raise DocumentInvalid(
                f"expected {len(FEATURES)} finite means and positive deviations, received {value!r}"
            )
        return cls(mean, std)


class ScalerFit:
    """Adds up batches by the pairwise update of Chan, Golub, LeVeque (1979): no cancellation."""

    def __init__(self) -> None:
        self._rows = 0
        self._mean: NDArray[np.float64] = np.zeros(len(FEATURES))
        self._squares: NDArray[np.float64] = np.zeros(len(FEATURES))

    def update(self, batch: EventBatch) -> None:
        """Adds a batch."""
        if not len(batch):
            return
        values = batch.features.astype(np.float64)
        rows, mean = len(values), values.mean(axis=0)
        squares = ((values - mean) ** 2).sum(axis=0)
        total = self._rows + rows
        shift = mean - self._mean
        self._squares += squares + shift**2 * self._rows * rows / total
        self._mean += shift * rows / total
        self._rows = total

    def result(self) -> Scaler:
        """The scaler; a constant feature keeps deviation 1.

        Raises:
            DataError: No event was added.
        """
        if not self._rows:
            raise DataError("expected events to fit the scaler on, received none")
        std = np.sqrt(self._squares / self._rows)
        std[std == 0] = 1.0
        return Scaler(tuple(self._mean.tolist()), tuple(std.tolist()))
