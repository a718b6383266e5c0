"""A toy Monte Carlo of the two processes of the SUSY data set.

In: a range of event numbers and a seed. Out: those events, all 18 columns.
pp at 8 TeV. Signal: a pair of charginos (200 GeV), each to W and neutralino (100 GeV), both W to
lepton and neutrino. Background: WW to two leptons and two neutrinos. Two-body decays are isotropic;
the pair's mass falls exponentially above threshold, its rapidity is Gaussian, and it recoils
against soft radiation; the missing energy is smeared. Leptons are kept above 20 GeV within
|eta| < 2.5, as in the real rows. Scales were chosen to resemble 10,499 real rows; there are no
parton densities, spin correlations or detector, so it is a stand-in for the data, not a prediction.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from susystream.physics.features import (
    ETA1,
    ETA2,
    MET,
    PHI1,
    PHI2,
    PHI_MET,
    PT1,
    PT2,
    Floats,
    Vector,
    boosted,
    high_level,
)
from susystream.schema import EventBatch, Float32Array, concatenate

CHUNK = 65_536  # events that share one random generator
SIGNAL_FRACTION = 0.4576  # of the full UCI file
VERSION = 1  # count up with every change of the events: prepared files of another are not reused
_W, _CHARGINO, _NEUTRALINO = 80.4, 200.0, 100.0  # GeV
_PT_CUT, _ETA_CUT = 20.0, 2.5
_BLOCK = 16_384  # candidates at a time: their arrays fit the cache


@dataclass(frozen=True, slots=True)
class Process:
    """Scales of one process, in GeV (rapidity: none).

    Attributes:
        parent: Mass of each of the two parents.
        excess: Mean of the pair's mass above threshold.
        rapidity: Width of the pair's rapidity.
        recoil: Mean transverse momentum of the pair.
        smear: Width of the missing energy's smearing, each component.
    """

    parent: float
    excess: float
    rapidity: float
    recoil: float
    smear: float


BACKGROUND = Process(_W, excess=62.0, rapidity=1.45, recoil=20.0, smear=14.0)
SIGNAL = Process(_CHARGINO, excess=320.0, rapidity=1.0, recoil=85.0, smear=18.0)


def toy_events(*, start: int, stop: int, seed: int) -> EventBatch:
    """Events `start` to `stop - 1`; each depends only on the seed and its own number."""
    chunks = range(start // CHUNK, -(-stop // CHUNK))
    with ThreadPoolExecutor(max_workers=2) as pool:  # numpy releases the interpreter lock
        made = list(pool.map(lambda chunk: _chunk(seed, chunk), chunks))
    first = chunks.start * CHUNK
    return concatenate(made)[start - first : stop - first]


def _chunk(seed: int, chunk: int) -> EventBatch:
    random = np.random.Generator(np.random.PCG64([seed, chunk]))
    labels = (random.random(CHUNK) < SIGNAL_FRACTION).astype(np.uint8)
    low = np.empty((CHUNK, 8), np.float32)
    for label, process in ((0, BACKGROUND), (1, SIGNAL)):
        rows = np.flatnonzero(labels == label)
        low[rows] = _accepted(random, process, len(rows))
    numbers = np.arange(chunk * CHUNK, (chunk + 1) * CHUNK, dtype=np.int64)
    return EventBatch(numbers, np.concatenate([low, high_level(low)], axis=1), labels)


def _accepted(random: np.random.Generator, process: Process, count: int) -> Float32Array:
    """`count` events that pass the lepton cuts, as scaled low-level columns."""
    kept: list[Float32Array] = []
    have = 0
    while have < count:
        made = _generate(random, process, min(_BLOCK, 2 * (count - have) + 64))
        kept.append(made)
        have += len(made)
    return np.concatenate(kept)[:count]


def _generate(random: np.random.Generator, process: Process, count: int) -> Float32Array:
    a, b, ax, ay = _decayed_pair(random, process, count)
    mx = ax + random.normal(0, process.smear, count)
    my = ay + random.normal(0, process.smear, count)
    pt_a, pt_b = np.hypot(a[0], a[1]), np.hypot(b[0], b[1])
    eta_a, eta_b = np.arcsinh(a[2] / pt_a), np.arcsinh(b[2] / pt_b)
    passed = (np.minimum(pt_a, pt_b) > _PT_CUT) & (np.abs(eta_a) < _ETA_CUT)
    passed &= np.abs(eta_b) < _ETA_CUT
    swap = pt_b > pt_a  # lepton 1 is the harder one
    phi_a, phi_b = np.arctan2(a[1], a[0]), np.arctan2(b[1], b[0])
    columns = (
        np.where(swap, pt_b, pt_a) / PT1,
        (np.where(swap, eta_b, eta_a) - ETA1[1]) / ETA1[0],
        (np.where(swap, phi_b, phi_a) - PHI1[1]) / PHI1[0],
        np.where(swap, pt_a, pt_b) / PT2,
        (np.where(swap, eta_a, eta_b) - ETA2[1]) / ETA2[0],
        (np.where(swap, phi_a, phi_b) - PHI2[1]) / PHI2[0],
        np.hypot(mx, my) / MET,
        np.arctan2(my, mx) / PHI_MET,
    )
    low: Float32Array = np.stack(columns, axis=1).astype(np.float32)[passed]
    return low


def _decayed_pair(
    random: np.random.Generator, process: Process, count: int
) -> tuple[Vector, Vector, Floats, Floats]:
    """Both leptons, and the transverse sum of all invisible momenta, in the laboratory."""
    mass = 2 * process.parent + random.exponential(process.excess, count)
    momentum = np.sqrt(mass**2 / 4 - process.parent**2)
    direction = _isotropic(random, count)
    beta = tuple(2 * momentum / mass * axis for axis in direction)
    lab = _laboratory(random, process, mass)
    leptons, x, y = [], np.zeros(count), np.zeros(count)
    for sign in (1, -1):
        parent = (sign * beta[0], sign * beta[1], sign * beta[2])
        visible, invisible = _decay(random, process, count)
        leptons.append(boosted(boosted(visible, parent), lab))
        for one in invisible:
            moved = boosted(boosted(one, parent), lab)
            x, y = x + moved[0], y + moved[1]
    return leptons[0], leptons[1], x, y


def _laboratory(
    random: np.random.Generator, process: Process, mass: Floats
) -> tuple[Floats, Floats, Floats]:
    """The velocity of the pair: its recoil and its rapidity."""
    count = len(mass)
    pt, phi = random.exponential(process.recoil, count), random.uniform(-np.pi, np.pi, count)
    rapidity = random.normal(0, process.rapidity, count)
    transverse = np.hypot(mass, pt)
    energy = transverse * np.cosh(rapidity)
    # the frame moves against the pair, so that a boost by it carries the pair along
    return -pt * np.cos(phi) / energy, -pt * np.sin(phi) / energy, -np.tanh(rapidity)


def _decay(
    random: np.random.Generator, process: Process, count: int
) -> tuple[Vector, tuple[Vector, ...]]:
    """Lepton and invisible particles of one parent, in the parent's rest frame."""
    lepton, neutrino = _two_body(random, count, _W, 0.0, 0.0)
    if process.parent == _W:
        return lepton, (neutrino,)
    boson, neutralino = _two_body(random, count, process.parent, _W, _NEUTRALINO)
    beta = (-boson[0] / boson[3], -boson[1] / boson[3], -boson[2] / boson[3])
    return boosted(lepton, beta), (boosted(neutrino, beta), neutralino)


def _two_body(
    random: np.random.Generator, count: int, mass: float, m1: float, m2: float
) -> tuple[Vector, Vector]:
    """Two-body phase space: |p| = √((M² − (m1+m2)²)(M² − (m1−m2)²)) / 2M."""
    p = np.sqrt((mass**2 - (m1 + m2) ** 2) * (mass**2 - (m1 - m2) ** 2)) / (2 * mass)
    x, y, z = (p * axis for axis in _isotropic(random, count))
    e1, e2 = np.full(count, np.hypot(p, m1)), np.full(count, np.hypot(p, m2))
    return (x, y, z, e1), (-x, -y, -z, e2)


def _isotropic(random: np.random.Generator, count: int) -> tuple[Floats, Floats, Floats]:
    cosine, phi = random.uniform(-1, 1, count), random.uniform(-np.pi, np.pi, count)
    sine = np.sqrt(1 - cosine**2)
    return sine * np.cos(phi), sine * np.sin(phi), cosine
