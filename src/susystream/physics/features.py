"""The ten high-level features from the eight low-level ones.

In: scaled low-level columns. Out: scaled high-level columns.
The data's columns are scaled; constants that undo it were fitted on real rows, and each column
checks on real rows to a few parts in a million, but MET_rel: the true one also uses jets, which
the data does not hold, so the lepton-only value is right for about 85 % of rows.
Sources: razor, Rogan arXiv:1006.2727; super-razor, Buckley et al. arXiv:1310.4827; MT2, package
`mt2` (Lester, Nachman arXiv:1411.4312).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from mt2 import mt2
from numpy.typing import NDArray

from susystream.schema import Float32Array

Floats = NDArray[np.float64]

PT1, PT2, MET = 78.54954319, 46.66508263, 87.70443954
ETA1, ETA2 = (1.1891824868, 0.0007869061), (1.2138669467, -0.0002516431)
PHI1, PHI2 = (1.8109096656, 0.0122494426), (1.8112949549, 0.0118570020)
PHI_MET = 1.8118614071
# the high-level columns are these factors times GeV, radians or a ratio; axial MET is shifted too
HIGH_SCALE: dict[str, float] = {
    "MET_rel": 0.0171157049,
    "axial MET": 0.0114569516,
    "M_R": 0.0066599262,
    "M_TR_2": 0.0135575372,
    "R": 1.8064557090,
    "MT2": 0.0299149921,
    "S_R": 0.0033422655,
    "M_Delta_R": 0.0222494674,
    "dPhi_r_b": 0.5066399745,
    "cos(theta_r1)": 1.0,
}
AXIAL_SHIFT = 0.3164036726


@dataclass(frozen=True, slots=True)
class Leptons:
    """Two massless leptons and the missing energy in GeV; each field has shape (n,)."""

    px1: Floats
    py1: Floats
    pz1: Floats
    px2: Floats
    py2: Floats
    pz2: Floats
    mx: Floats
    my: Floats


def high_level(low: Float32Array) -> Float32Array:
    """The high-level columns.

    Args:
        low: Scaled low-level columns, shape (n, 8).

    Returns:
        Scaled high-level columns, float32, shape (n, 10), in the order of `schema.HIGH_LEVEL`.
    """
    return np.ascontiguousarray(
        np.stack(_columns(physical(low.astype(np.float64))), axis=1), np.float32
    )


def physical(low: Floats) -> Leptons:
    """Undoes the scaling of low-level columns, shape (n, 8)."""
    pt1, pt2, met = low[:, 0] * PT1, low[:, 3] * PT2, low[:, 6] * MET
    eta1, eta2 = low[:, 1] * ETA1[0] + ETA1[1], low[:, 4] * ETA2[0] + ETA2[1]
    phi1, phi2 = low[:, 2] * PHI1[0] + PHI1[1], low[:, 5] * PHI2[0] + PHI2[1]
    phi = low[:, 7] * PHI_MET
    return Leptons(
        pt1 * np.cos(phi1),
        pt1 * np.sin(phi1),
        pt1 * np.sinh(eta1),
        pt2 * np.cos(phi2),
        pt2 * np.sin(phi2),
        pt2 * np.sinh(eta2),
        met * np.cos(phi),
        met * np.sin(phi),
    )


def _columns(e: Leptons) -> list[Floats]:
    pt1, pt2, met = np.hypot(e.px1, e.py1), np.hypot(e.px2, e.py2), np.hypot(e.mx, e.my)
    llx, lly = e.px1 + e.px2, e.py1 + e.py2
    energy1, energy2 = np.hypot(pt1, e.pz1), np.hypot(pt2, e.pz2)
    length: Floats = np.hypot(llx, lly)
    dot: Floats = np.add(e.mx * llx, e.my * lly)
    axial = _ratio(dot, length)
    m_r = np.sqrt(_positive((energy1 + energy2) ** 2 - (e.pz1 + e.pz2) ** 2))
    m_tr = np.sqrt(_positive((met * (pt1 + pt2) - e.mx * llx - e.my * lly) / 2))
    s_r, m_delta, dphi, cosine = _super_razor(e)
    return [
        _met_rel(e, met) * HIGH_SCALE["MET_rel"],
        axial * HIGH_SCALE["axial MET"] + AXIAL_SHIFT,
        m_r * HIGH_SCALE["M_R"],
        m_tr * HIGH_SCALE["M_TR_2"],
        _ratio(m_tr, m_r) * HIGH_SCALE["R"],
        _stransverse(e) * HIGH_SCALE["MT2"],
        s_r * HIGH_SCALE["S_R"],
        m_delta * HIGH_SCALE["M_Delta_R"],
        dphi * HIGH_SCALE["dPhi_r_b"],
        cosine,
    ]


def _met_rel(e: Leptons, met: Floats) -> Floats:
    """MET times the sine of the angle to the nearest lepton, where that is below a right angle."""
    nearest = np.minimum(
        _angle(e.mx, e.my, e.px1, e.py1),
        _angle(e.mx, e.my, e.px2, e.py2),
    )
    return np.where(nearest < np.pi / 2, met * np.sin(nearest), met)


def _angle(ax: Floats, ay: Floats, bx: Floats, by: Floats) -> Floats:
    """The angle between two directions of the transverse plane, in [0, π]."""
    angle: Floats = np.abs(np.arctan2(ax * by - ay * bx, ax * bx + ay * by))
    return angle


def _stransverse(e: Leptons) -> Floats:
    """MT2 in GeV, massless visibles and invisibles.

    It is zero where the missing momentum lies between the leptons, MET = a·pT1 + b·pT2 with a and
    b not negative, for then each invisible can fly along its lepton. `mt2` leaves up to 12 MeV
    there; the data holds exact zeros, so those events are not given to it.
    """
    cross = e.px1 * e.py2 - e.py1 * e.px2
    a = (e.mx * e.py2 - e.my * e.px2) * cross
    b = (e.px1 * e.my - e.py1 * e.mx) * cross
    rows = np.flatnonzero((a < 0) | (b < 0) | (cross == 0))
    x1, y1, x2, y2, mx, my = (v[rows] for v in (e.px1, e.py1, e.px2, e.py2, e.mx, e.my))
    found = np.zeros_like(e.px1)
    found[rows] = mt2(0.0, x1, y1, 0.0, x2, y2, mx, my, 0.0, 0.0)
    return found


def _super_razor(e: Leptons) -> tuple[Floats, Floats, Floats, Floats]:
    """√ŝ_R, M_Δ^R, Δφ_R^β and |cos θ_{R+1}|."""
    pz1, pz2, e1, e2 = _without_pz(e)
    llx, lly, ell = e.px1 + e.px2, e.py1 + e.py2, e1 + e2
    bx, by = llx + e.mx, lly + e.my  # transverse momentum of the whole
    dot, square = bx * llx + by * lly, bx**2 + by**2
    root = np.sqrt(_positive(ell**2 + square - 2 * dot))
    s_hat = _positive(2 * (ell**2 - dot + ell * root))
    scale = 1 / np.sqrt(square + s_hat)
    v1 = boosted((e.px1, e.py1, pz1, e1), (bx * scale, by * scale, np.zeros_like(bx)))
    v2 = boosted((e.px2, e.py2, pz2, e2), (bx * scale, by * scale, np.zeros_like(bx)))
    dphi = _angle(v1[0] + v2[0], v1[1] + v2[1], bx, by)
    total = v1[3] + v2[3]
    beta = tuple(_ratio(a - b, total) for a, b in zip(v1[:3], v2[:3], strict=True))
    rest = boosted(v1, (beta[0], beta[1], beta[2]))
    size = np.sqrt(beta[0] ** 2 + beta[1] ** 2 + beta[2] ** 2)
    along = rest[0] * beta[0] + rest[1] * beta[1] + rest[2] * beta[2]
    return np.sqrt(s_hat), 2 * rest[3], dphi, np.abs(_ratio(along, rest[3] * size))


def _without_pz(e: Leptons) -> tuple[Floats, Floats, Floats, Floats]:
    """The leptons' pz and E after a boost along z to where their pz adds up to zero."""
    e1 = np.sqrt(e.px1**2 + e.py1**2 + e.pz1**2)
    e2 = np.sqrt(e.px2**2 + e.py2**2 + e.pz2**2)
    beta = _ratio(e.pz1 + e.pz2, e1 + e2)
    gamma = 1 / np.sqrt(1 - beta**2)
    return (
        gamma * (e.pz1 - beta * e1),
        gamma * (e.pz2 - beta * e2),
        gamma * (e1 - beta * e.pz1),
        gamma * (e2 - beta * e.pz2),
    )


Vector = tuple[Floats, Floats, Floats, Floats]


def boosted(v: Vector, beta: tuple[Floats, Floats, Floats]) -> Vector:
    """A four-vector (px, py, pz, E) in the frame that moves with `beta`."""
    bx, by, bz = beta
    b2 = np.minimum(bx**2 + by**2 + bz**2, 1 - 1e-12)
    gamma = 1 / np.sqrt(1 - b2)
    along = bx * v[0] + by * v[1] + bz * v[2]
    factor = gamma**2 / (gamma + 1) * along - gamma * v[3]
    return (v[0] + factor * bx, v[1] + factor * by, v[2] + factor * bz, gamma * (v[3] - along))


def _positive(x: Floats) -> Floats:
    return np.maximum(x, 0.0)  # rounding may leave a tiny negative


def _ratio(a: Floats, b: Floats) -> Floats:
    quotient: Floats = a / np.where(b == 0, 1.0, b)
    return quotient
