"""Columns in GeV and radians are the quantities that they are named after."""

from __future__ import annotations

import numpy as np

from susystream.data.source import real_sample
from susystream.physics.features import physical
from susystream.physics.units import UNITS
from susystream.schema import FEATURES, concatenate

REAL = concatenate(list(real_sample().batches())).features.astype(np.float64)
E = physical(REAL[:, :8])


def of(name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return UNITS[name].values(REAL[:, FEATURES.index(name)])


def test_every_feature_has_a_unit() -> None:
    assert tuple(UNITS) == FEATURES
    assert {one.name for one in UNITS.values()} == {"GeV", "rad", ""}


def test_real_columns_are_what_the_leptons_give() -> None:
    pt1, pt2 = np.hypot(E.px1, E.py1), np.hypot(E.px2, E.py2)
    ll = np.hypot(E.px1 + E.px2, E.py1 + E.py2)
    along = (E.mx * (E.px1 + E.px2) + E.my * (E.py1 + E.py2)) / ll
    mass = np.sqrt((np.hypot(pt1, E.pz1) + np.hypot(pt2, E.pz2)) ** 2 - (E.pz1 + E.pz2) ** 2)
    expected = {
        "lepton 1 pT": pt1,
        "lepton 1 eta": np.arcsinh(E.pz1 / pt1),
        "lepton 1 phi": np.arctan2(E.py1, E.px1),
        "lepton 2 pT": pt2,
        "lepton 2 eta": np.arcsinh(E.pz2 / pt2),
        "lepton 2 phi": np.arctan2(E.py2, E.px2),
        "missing energy magnitude": np.hypot(E.mx, E.my),
        "missing energy phi": np.arctan2(E.my, E.mx),
        "axial MET": along,
        "M_R": mass,
        "R": of("M_TR_2") / mass,
    }
    for name, values in expected.items():
        distance = np.abs(of(name) - values)
        if name.endswith("phi"):
            distance = np.minimum(distance, 2 * np.pi - distance)
        assert np.median(distance) < 1e-3, name


def test_angles_end_where_they_must() -> None:
    assert 0.95 * np.pi < of("dPhi_r_b").max() <= np.pi * (1 + 1e-5)
    assert 0.85 < of("cos(theta_r1)").max() <= 1
