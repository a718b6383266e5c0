"""Scales of a sweep: numbers at their height, texts apart, labels that do not collide."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from susystream.plots.scale import Value, scale_of


@pytest.mark.parametrize(
    ("values", "is_log"),
    [
        ([1, 2, 3], False),
        ([1.0, 100.0], False),
        ([1.0, 101.0], True),
        ([1e-5, 1e-1], True),
        ([0.0, 1e6], False),
        ([-5, 1e6], False),
        ([7, 7], False),
    ],
)
def test_numbers_over_more_than_two_decades_are_logarithmic(
    values: list[Value], is_log: bool
) -> None:
    assert scale_of(values).is_log is is_log


def test_numbers_lie_where_they_must() -> None:
    assert scale_of([10, 20, 15]).places.tolist() == [0, 1, 0.5]
    np.testing.assert_allclose(scale_of([1e-4, 1e-1, 1e-3]).places, [0, 1, 1 / 3])
    assert scale_of([3, 3]).places.tolist() == [0.5, 0.5]
    assert scale_of([3, 3]).ticks == ((0.5, "3"),)


def test_one_text_among_numbers_makes_them_texts() -> None:
    found = scale_of([64, "[300,300]", 64])
    assert found.ticks == ((0.0, "64"), (1.0, "[300,300]"))
    assert found.places.tolist() == [0, 1, 0]
    assert [text for _, text in scale_of([True, False]).ticks] == ["False", "True"]


def test_what_a_trial_lacks_has_no_place() -> None:
    assert np.isnan(scale_of([1, None, 3]).places).tolist() == [False, True, False]
    assert np.isnan(scale_of(["a", None]).places).tolist() == [False, True]
    assert np.isnan(scale_of([math.nan, 2.0]).places).tolist() == [True, False]
    assert scale_of([None, None]).ticks == ()


@pytest.mark.parametrize("count", [1, 2, 5, 9, 40, 500])
@pytest.mark.parametrize("kind", ["linear", "log", "text"])
def test_labels_are_apart_and_name_both_ends(count: int, kind: str) -> None:
    random = np.random.default_rng(count)
    numbers = random.random(count) if kind == "linear" else 10 ** random.uniform(-6, 6, count)
    values = [f"v{number:03}" for number in range(count)] if kind == "text" else numbers.tolist()
    ticks = scale_of(values).ticks
    assert 1 <= len(ticks) <= 16
    assert all(b[0] - a[0] >= 0.065 for a, b in pairwise(ticks))
    if kind != "text" and count > 1:
        np.testing.assert_allclose([ticks[0][0], ticks[-1][0]], [0, 1], atol=1e-12)
