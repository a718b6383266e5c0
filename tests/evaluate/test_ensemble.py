"""The mean of several models, against the definition in exact arithmetic."""

from __future__ import annotations

from decimal import Decimal, localcontext
from itertools import product

import numpy as np
import pytest
from evaluate.plain import plain_tallies
from hypothesis import given, settings
from hypothesis import strategies as st

from susystream.errors import EvaluationError
from susystream.evaluate.ensemble import NAME, Mean, combined, with_ensemble
from susystream.evaluate.windows import count_windows, scored_here
from susystream.physics.toy import toy_events
from susystream.schema import Float32Array

MEANS: list[Mean] = ["logits", "probabilities"]
EXTREME = [0.0, 1e-3, -1e-3, 1.0, -17.5, 40.0, -40.0, 100.0, -100.0, 700.0, -700.0]


def slow_twin(logits: tuple[float, ...], mean: Mean) -> float:
    """One event, in numbers of 700 digits: probability by its definition, and back."""
    with localcontext() as context:
        context.prec = 700
        numbers = [Decimal(one) for one in logits]
        if mean == "logits":
            return float(sum(numbers, Decimal(0)) / len(numbers))
        probabilities = [1 / (1 + (-one).exp()) for one in numbers]
        probability = sum(probabilities, Decimal(0)) / len(numbers)
        return float((probability / (1 - probability)).ln())


def arrays(rows: list[tuple[float, ...]]) -> list[Float32Array]:
    return list(np.array(rows, np.float32).T.copy())


class Linear:
    """A deterministic scorer that counts the events it was asked for."""

    def __init__(self, seed: int) -> None:
        self.weights = np.random.default_rng(seed).normal(size=18).astype(np.float32)
        self.asked = 0

    def logits(self, features: Float32Array) -> Float32Array:
        self.asked += len(features)
        logits: Float32Array = np.einsum("ij,j->i", features, self.weights)
        return logits


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("members", [1, 2, 3])
def test_extreme_logits_give_the_mean_by_definition(mean: Mean, members: int) -> None:
    rows = list(product(EXTREME, repeat=members))
    found = combined(arrays(rows), mean)
    assert found.dtype == np.float32
    expected = [slow_twin(tuple(float(np.float32(x)) for x in row), mean) for row in rows]
    np.testing.assert_allclose(found, expected, rtol=1.2e-7, atol=1e-12)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(-120, 120, width=32), min_size=2, max_size=5), st.sampled_from(MEANS))
def test_any_logits_give_the_mean_by_definition(row: list[float], mean: Mean) -> None:
    (found,) = combined(arrays([tuple(row)]), mean)
    assert float(found) == pytest.approx(slow_twin(tuple(row), mean), rel=1.2e-7, abs=1e-12)


@pytest.mark.parametrize("mean", MEANS)
def test_the_largest_numbers_stay_finite_and_in_their_order(mean: Mean) -> None:
    found = combined(arrays([(a, b) for a in (-3e38, 0.0, 3e38) for b in (-3e38, 3e38)]), mean)
    assert np.isfinite(found).all()
    assert (found[0], found[1], found[4], found[5]) == (np.float32(-3e38), 0, 0, np.float32(3e38))


def test_a_sure_member_counts_for_more_in_logits_than_in_probabilities() -> None:
    logits = arrays([(30.0, -1.0)])
    assert combined(logits, "logits")[0] == 14.5
    assert combined(logits, "probabilities")[0] == pytest.approx(0.55144, abs=1e-5)


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_the_bits_do_not_depend_on_how_events_are_cut(mean: Mean, size: int) -> None:
    # ten: from eight on numpy adds some numbers in pairs
    members = list(np.random.default_rng(4).normal(0, 9, (10, 2003)).astype(np.float32))
    pieces = [combined([m[i : i + size] for m in members], mean) for i in range(0, 2003, size)]
    assert np.concatenate(pieces).tobytes() == combined(members, mean).tobytes()


@pytest.mark.parametrize("mean", MEANS)
def test_one_scan_scores_each_member_once_and_counts_the_ensemble_beside_it(mean: Mean) -> None:
    events = toy_events(start=0, stop=5000, seed=2)
    members = {"a": Linear(1), "b": Linear(2)}
    scorers = with_ensemble(members, mean)
    batches = [events[i : i + 700] for i in range(0, 5000, 700)]
    found = count_windows(scored_here(lambda skip: batches, scorers=scorers), models=scorers)
    assert [one.asked for one in members.values()] == [5000, 5000]
    assert list(found.tallies) == ["a", "b", NAME]
    assert found.tallies == plain_tallies(batches, scorers)  # scores the members once more


def test_without_a_mean_there_is_no_ensemble() -> None:
    assert with_ensemble({"a": Linear(1)}, None).keys() == {"a"}


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_member_that_gives_no_number_is_named(mean: Mean, bad: float) -> None:
    class Broken(Linear):
        def logits(self, features: Float32Array) -> Float32Array:
            return np.full(len(features), bad, np.float32)

    events = toy_events(start=0, stop=10, seed=2)
    scorers = with_ensemble({"good": Linear(1), "bad": Broken(1)}, mean)
    with pytest.raises(EvaluationError, match="model bad: "):
        count_windows(scored_here(lambda skip: [events], scorers=scorers), models=scorers)
