"""The high-level features against 500 real rows and against slow, obvious twins."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize  # type: ignore[import-untyped]

from susystream.data.source import real_sample
from susystream.physics.features import Floats, high_level, physical
from susystream.schema import HIGH_LEVEL, Float32Array, concatenate

ERRORS = {  # median and largest error over the real rows, in units of the column
    "axial MET": (2e-6, 1e-4),
    "M_R": (2e-6, 2e-5),
    "M_TR_2": (1e-6, 2e-5),
    "R": (2e-6, 2e-5),
    "MT2": (5e-6, 1e-4),
    "S_R": (2e-6, 3e-5),
    "M_Delta_R": (2e-5, 1e-3),
    "dPhi_r_b": (3e-6, 1e-4),
    "cos(theta_r1)": (3e-6, 1.5e-2),
}


@pytest.fixture(scope="module")
def real() -> Float32Array:
    return concatenate(list(real_sample().batches())).features


@pytest.mark.parametrize("name", ERRORS)
def test_a_column_agrees_with_the_real_rows(name: str, real: Float32Array) -> None:
    column = HIGH_LEVEL.index(name)
    error = np.abs(high_level(real[:, :8])[:, column] - real[:, 8 + column])
    median, largest = ERRORS[name]
    assert np.median(error) <= median
    assert error.max() <= largest


def test_met_rel_is_right_for_most_rows_and_too_high_for_the_rest(real: Float32Array) -> None:
    difference = high_level(real[:, :8])[:, 0] - real[:, 8]
    assert 0.8 < np.mean(np.abs(difference) < 1e-3) < 0.9
    assert difference.min() > -1e-3  # a jet nearer than the leptons only lowers the true one


def test_mt2_is_exactly_zero_where_the_real_one_is(real: Float32Array) -> None:
    column = HIGH_LEVEL.index("MT2")
    ours, theirs = high_level(real[:, :8])[:, column], real[:, 8 + column]
    assert (theirs == 0).sum() > 50
    np.testing.assert_array_equal(ours == 0, theirs == 0)


def test_mt2_agrees_with_a_minimisation_over_the_split_of_the_missing_momentum(
    real: Float32Array,
) -> None:
    rows = real[:12, :8]
    ours = high_level(rows)[:, HIGH_LEVEL.index("MT2")] / 0.0299149921
    e = physical(rows.astype(np.float64))
    for i, value in enumerate(ours):
        p, q = np.array([e.px1[i], e.py1[i]]), np.array([e.px2[i], e.py2[i]])
        missing = np.array([e.mx[i], e.my[i]])

        def larger(k: Floats, p: Floats = p, q: Floats = q, m: Floats = missing) -> float:
            masses = [2 * (np.hypot(*a) * np.hypot(*b) - a @ b) for a, b in ((p, k), (q, m - k))]
            return float(np.sqrt(max(*masses, 0.0)))

        exact = {
            "method": "Nelder-Mead",
            "options": {"xatol": 1e-9, "fatol": 1e-9, "maxiter": 5000},
        }
        starts = (missing / 2, missing, 0 * missing, missing / 2 + 50, missing / 2 - 50, p, q)
        best = min(minimize(larger, start, **exact).fun for start in starts)
        assert value == pytest.approx(best, abs=2e-3)  # GeV


def test_rows_do_not_depend_on_each_other(real: Float32Array) -> None:
    whole = high_level(real[:40, :8])
    alone = np.concatenate([high_level(row[None, :8]) for row in real[:40]])
    np.testing.assert_allclose(whole, alone, rtol=1e-6, atol=1e-7)


def test_leptons_at_rest_missing_energy_and_empty_input_give_finite_columns() -> None:
    assert high_level(np.empty((0, 8), np.float32)).shape == (0, 10)
    edge = np.array(
        [[1, 0, 0, 1, 0, 0, 0, 0], [1, 2, 0.5, 1, 2, 0.5, 1, 0.5], [1, 0, 0, 1, 0, 1.73, 1, 1.73]],
        np.float32,
    )
    found = high_level(edge)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
