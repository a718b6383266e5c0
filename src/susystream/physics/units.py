"""The columns of an event in the units of physics: GeV and radians.

In: a scaled column. Out: its values in their unit.
"""

from __future__ import annotations

from dataclasses import dataclass

from susystream.physics import features as scaled
from susystream.physics.features import AXIAL_SHIFT, HIGH_SCALE, Floats

GEV, RADIANS, RATIO = "GeV", "rad", ""


@dataclass(frozen=True, slots=True)
class Unit:
    """What a column means: value = factor * column + shift.

    Attributes:
        name: Of the unit; nothing for a ratio.
        factor, shift: In that unit.
    """

    name: str
    factor: float
    shift: float = 0.0

    def values(self, column: Floats) -> Floats:
        """A column in its unit, float64, same shape."""
        return column * self.factor + self.shift


UNITS: dict[str, Unit] = {
    "lepton 1 pT": Unit(GEV, scaled.PT1),
    "lepton 1 eta": Unit(RATIO, *scaled.ETA1),
    "lepton 1 phi": Unit(RADIANS, *scaled.PHI1),
    "lepton 2 pT": Unit(GEV, scaled.PT2),
    "lepton 2 eta": Unit(RATIO, *scaled.ETA2),
    "lepton 2 phi": Unit(RADIANS, *scaled.PHI2),
    "missing energy magnitude": Unit(GEV, scaled.MET),
    "missing energy phi": Unit(RADIANS, scaled.PHI_MET),
    "MET_rel": Unit(GEV, 1 / HIGH_SCALE["MET_rel"]),
    "axial MET": Unit(GEV, 1 / HIGH_SCALE["axial MET"], -AXIAL_SHIFT / HIGH_SCALE["axial MET"]),
    "M_R": Unit(GEV, 1 / HIGH_SCALE["M_R"]),
    "M_TR_2": Unit(GEV, 1 / HIGH_SCALE["M_TR_2"]),
    "R": Unit(RATIO, 1 / HIGH_SCALE["R"]),
    "MT2": Unit(GEV, 1 / HIGH_SCALE["MT2"]),
    "S_R": Unit(GEV, 1 / HIGH_SCALE["S_R"]),
    "M_Delta_R": Unit(GEV, 1 / HIGH_SCALE["M_Delta_R"]),
    "dPhi_r_b": Unit(RADIANS, 1 / HIGH_SCALE["dPhi_r_b"]),
    "cos(theta_r1)": Unit(RATIO, 1 / HIGH_SCALE["cos(theta_r1)"]),
}
