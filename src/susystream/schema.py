"""The columns of a SUSY event, spelled here and nowhere else, and a checked batch of events.

In: nothing. Out: column names, meanings and types, `EventBatch`.
Columns and order are those of the UCI SUSY data set (doi 10.24432/C54606). Its values are scaled,
by factors that `susystream.physics.features` holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from susystream.errors import DataError, SettingsError

Float32Array: TypeAlias = NDArray[np.float32]
UInt8Array: TypeAlias = NDArray[np.uint8]
Int64Array: TypeAlias = NDArray[np.int64]

LABEL = "label"
LABEL_MEANINGS: dict[int, str] = {0: "background", 1: "signal"}
_LOW = {
    "lepton 1 pT": "transverse momentum of the leading lepton",
    "lepton 1 eta": "its pseudorapidity",
    "lepton 1 phi": "its azimuth",
    "lepton 2 pT": "transverse momentum of the second lepton",
    "lepton 2 eta": "its pseudorapidity",
    "lepton 2 phi": "its azimuth",
    "missing energy magnitude": "missing transverse momentum, MET",
    "missing energy phi": "its azimuth",
}
_HIGH = {
    "MET_rel": "MET times the sine of its azimuth to the nearest object, where below a right angle",
    "axial MET": "component of MET along the transverse momentum of both leptons",
    "M_R": "razor: mass of both leptons, invariant under boosts along the beam",
    "M_TR_2": "razor: transverse mass of both leptons and MET",
    "R": "razor: M_TR_2 over M_R",
    "MT2": "stransverse mass of both leptons and MET, all massless",
    "S_R": "super-razor: estimated energy of the whole in its rest frame",
    "M_Delta_R": "super-razor: twice the lepton's energy in the decay frame",
    "dPhi_r_b": "super-razor: azimuth between both leptons and the boost to the rest frame",
    "cos(theta_r1)": "super-razor: cosine of the lepton's helicity angle",
}
MEANINGS: dict[str, str] = _LOW | _HIGH
LOW_LEVEL: tuple[str, ...] = tuple(_LOW)
HIGH_LEVEL: tuple[str, ...] = tuple(_HIGH)
FEATURES: tuple[str, ...] = LOW_LEVEL + HIGH_LEVEL
COLUMNS: tuple[str, ...] = (LABEL, *FEATURES)
FEATURE_SETS: dict[str, tuple[str, ...]] = {
    "low": LOW_LEVEL,
    "high": HIGH_LEVEL,
    "complete": FEATURES,
}


def feature_indices(names: tuple[str, ...]) -> tuple[int, ...]:
    """Positions of `names` among the 18 features.

    Raises:
        SettingsError: A name is not a feature.
    """
    unknown = [name for name in names if name not in FEATURES]
    if unknown:
        raise SettingsError(
            f"expected feature names out of {list(FEATURES)}, received {unknown}; correct them"
        )
    return tuple(FEATURES.index(name) for name in names)


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Some events, in order.

    Attributes:
        numbers: Event numbers, int64, shape (n,): unique within a data set.
        features: float32, shape (n, 18), C order, in the order of `FEATURES`, all finite.
        labels: uint8, shape (n,): 1 is signal, 0 is background.
    """

    numbers: Int64Array
    features: Float32Array
    labels: UInt8Array

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: slice) -> EventBatch:
        return EventBatch(self.numbers[rows], self.features[rows], self.labels[rows])

    @classmethod
    def empty(cls) -> EventBatch:
        """No events."""
        return cls(
            np.empty(0, np.int64), np.empty((0, len(FEATURES)), np.float32), np.empty(0, np.uint8)
        )

    def checked(self) -> EventBatch:
        """This batch, after its shapes, types and values were checked.

        Raises:
            DataError: Naming what was expected and what was received.
        """
        n = len(self.labels)
        _expect(self.numbers.shape == (n,), f"{n} event numbers", self.numbers.shape)
        _expect(self.features.shape == (n, len(FEATURES)), f"shape ({n}, 18)", self.features.shape)
        _expect(self.numbers.dtype == np.int64, "int64 event numbers", self.numbers.dtype)
        _expect(self.features.dtype == np.float32, "float32 features", self.features.dtype)
        _expect(self.labels.dtype == np.uint8, "uint8 labels", self.labels.dtype)
        _expect(bool(np.isfinite(self.features).all()), "finite features", "NaN or infinity")
        wrong = self.labels > 1
        _expect(not wrong.any(), "labels 0 or 1", self.labels[wrong][:5])
        return self


def _expect(good: bool, expected: str, received: object) -> None:
    if not good:
        raise DataError(f"expected {expected}, received {received}; check the source of the batch")


def concatenate(batches: list[EventBatch]) -> EventBatch:
    """The events of several batches as one, in order; an empty list gives an empty batch."""
    if not batches:
        return EventBatch.empty()
    return EventBatch(
        np.concatenate([batch.numbers for batch in batches]),
        np.concatenate([batch.features for batch in batches]),
        np.concatenate([batch.labels for batch in batches]),
    )
