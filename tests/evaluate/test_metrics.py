"""Metrics from counts, against scikit-learn and against slow loops over pairs."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from susystream.errors import EvaluationError
from susystream.evaluate.metrics import _dot, curve, metrics, wide
from susystream.evaluate.pieces import PIECE
from susystream.evaluate.significance import asimov_significance
from susystream.evaluate.tally import Tally

Pairs: TypeAlias = list[tuple[float, bool]]
SCORES = st.one_of(
    st.sampled_from([-1.5, -0.0, 0.0, 0.25, -3.0, 2.0]),
    st.floats(-12, 12, width=32),
)
PAIRS = st.lists(st.tuples(SCORES, st.booleans()), min_size=2, max_size=60).filter(
    lambda pairs: len({label for _, label in pairs}) == 2
)


def f32(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def u8(*values: int) -> NDArray[np.uint8]:
    return np.array(values, np.uint8)


def arrays(pairs: list[tuple[float, bool]]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    return f32(*(x for x, _ in pairs)), u8(*(y for _, y in pairs))


def found(logits: NDArray[np.float32], labels: NDArray[np.uint8], **limit: int) -> dict[str, float]:
    return metrics(Tally.empty(**limit).update(logits, labels))


def random_events(rows: int, seed: int = 1) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    random = np.random.default_rng(seed)
    labels = (random.random(rows) < 0.4).astype(np.uint8)
    return (1.5 * random.normal(size=rows) + labels).astype(np.float32), labels


def slow_auc(logits: NDArray[np.float32], labels: NDArray[np.uint8]) -> float:
    """Every pair: one for the right order, a half for a tie."""
    signal, background = logits[labels == 1].tolist(), logits[labels == 0].tolist()
    won = sum(Fraction((s > b) * 2 + (s == b), 2) for s in signal for b in background)
    return float(won / (len(signal) * len(background)))


def slow_stderr(logits: NDArray[np.float32], labels: NDArray[np.uint8]) -> float:
    """DeLong's structural components, one event at a time."""
    signal, background = logits[labels == 1], logits[labels == 0]
    v10 = [np.mean((s > background) + 0.5 * (s == background)) for s in signal]
    v01 = [np.mean((signal > b) + 0.5 * (signal == b)) for b in background]
    variances = [np.var(v, ddof=1) / len(v) if len(v) > 1 else 0.0 for v in (v10, v01)]
    return math.sqrt(sum(variances))


def slow_rejection(
    logits: NDArray[np.float32], labels: NDArray[np.uint8], efficiency: Fraction
) -> float:
    signal, background = logits[labels == 1], logits[labels == 0]
    cut = max(c for c in signal if Fraction(int(np.sum(signal >= c)), len(signal)) >= efficiency)
    return len(background) / max(int(np.sum(background >= cut)), 1)


def slow_calibration_error(probability: NDArray[np.float64], labels: NDArray[np.uint8]) -> float:
    total = 0.0
    for step in range(15):
        last = step == 14
        inside = (probability * 15 >= step) & ((probability * 15 < step + 1) | last)
        if inside.any():
            total += inside.sum() * abs(probability[inside].mean() - labels[inside].mean())
    return total / len(labels)


def slow_significance(logits: NDArray[np.float32], labels: NDArray[np.uint8]) -> float:
    """Every cut in turn; the formula as it stands in Cowan's note."""
    signal, background = logits[labels == 1], logits[labels == 0]
    found = []
    for cut in np.unique(logits):
        passed = int(np.sum(background >= cut))
        if passed < min(25, len(background)):
            continue
        s, b = 100 * np.mean(signal >= cut), 1000 * passed / len(background)
        v = (0.05 * b) ** 2
        first = (s + b) * math.log((s + b) * (b + v) / (b * b + (s + b) * v))
        second = b * b / v * math.log(1 + v * s / (b * (b + v)))
        found.append(math.sqrt(2 * max(first - second, 0.0)))
    return max(found)


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_all_metrics_agree_with_slow_twins_and_scikit_learn(
    pairs: list[tuple[float, bool]],
) -> None:
    logits, labels = arrays(pairs)
    values = found(logits, labels)
    wide = logits.astype(np.float64)
    probability = 1 / (1 + np.exp(-wide))
    assert values["auc"] == values["auc_low"] == values["auc_high"] == slow_auc(logits, labels)
    assert values["auc"] == pytest.approx(roc_auc_score(labels, logits), abs=1e-12)
    assert values["auc_stderr"] == pytest.approx(slow_stderr(logits, labels), abs=1e-12)
    assert values["accuracy"] == np.mean((logits > 0) == labels)
    assert values["log_loss"] == pytest.approx(log_loss(labels, probability), rel=1e-9)
    assert values["brier"] == pytest.approx(brier_score_loss(labels, probability), abs=1e-12)
    for text in ("0.3", "0.5", "0.7", "0.9"):
        expected = slow_rejection(logits, labels, Fraction(text))
        assert values[f"background_rejection_at_{text}"] == expected
    assert values["ece"] == pytest.approx(slow_calibration_error(probability, labels), abs=1e-9)
    assert values["significance"] == pytest.approx(slow_significance(logits, labels), abs=1e-6)
    assert values["auc_ci95_low"] <= values["auc_low"]
    assert values["auc_high"] <= values["auc_ci95_high"]
    assert values["rows"] == len(pairs)
    assert values["signal"] + values["background"] == len(pairs)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_significance_and_calibration_of_many_events_agree_with_slow_twins(seed: int) -> None:
    logits, labels = random_events(400, seed)
    values = found(logits, labels)
    probability = 1 / (1 + np.exp(-logits.astype(np.float64)))
    assert values["significance"] == pytest.approx(slow_significance(logits, labels), rel=1e-9)
    assert values["ece"] == pytest.approx(slow_calibration_error(probability, labels), rel=1e-9)


def beaten(mine: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
    """The share of the sorted others below each, ties counting half."""
    sides = (np.searchsorted(others, mine, side) for side in ("left", "right"))
    return np.asarray(sum(sides) / (2 * len(others)), np.float64)


@pytest.mark.parametrize("rows", [2 * PIECE, 2 * PIECE + 1, 300_000])
def test_figures_of_many_pieces_are_those_of_whole_arrays(rows: int) -> None:
    logits, labels = random_events(rows)
    logits[:5000] = np.repeat(logits[:50], 100)  # ties
    values, wide = found(logits, labels), logits.astype(np.float64)
    probability = 1 / (1 + np.exp(-wide))
    assert values["auc"] == pytest.approx(roc_auc_score(labels, logits), abs=1e-12)
    assert values["log_loss"] == pytest.approx(log_loss(labels, probability), rel=1e-12)
    assert values["brier"] == pytest.approx(brier_score_loss(labels, probability), rel=1e-12)
    assert values["accuracy"] == np.mean((logits > 0) == labels)
    assert values["ece"] == pytest.approx(slow_calibration_error(probability, labels), rel=1e-9)
    kept = {y: np.sort(logits[labels == y]) for y in (0, 1)}
    of_signal, of_background = (beaten(kept[y], kept[1 - y]) for y in (1, 0))
    variance = sum(np.var(v, ddof=1) / len(v) for v in (of_signal, of_background))
    assert values["auc_stderr"] == pytest.approx(math.sqrt(variance), rel=1e-9)
    for text in ("0.3", "0.5", "0.7", "0.9"):
        cut = np.sort(logits[labels == 1])[::-1][math.ceil(Fraction(text) * int(labels.sum())) - 1]
        expected = np.sum(labels == 0) / np.sum(logits[labels == 0] >= cut)
        assert values[f"background_rejection_at_{text}"] == expected
    cuts = np.sort(logits)
    passed = {y: len(one) - np.searchsorted(one, cuts) for y, one in kept.items()}
    allowed = passed[0] >= 25
    s = 100 * passed[1][allowed] / len(kept[1])
    b = 1000 * passed[0][allowed] / len(kept[0])
    assert values["significance"] == pytest.approx(asimov_significance(s, b, 0.05 * b).max())


@given(st.floats(0, 100), st.floats(0, 100), st.floats(1e-3, 1000), st.floats(1e-3, 1000))
def test_significance_rises_with_the_signal_and_falls_with_the_background(
    s1: float, s2: float, b1: float, b2: float
) -> None:
    """What lets pieces of bins be passed over."""
    s, b = np.array([min(s1, s2), max(s1, s2)]), np.array([max(b1, b2), min(b1, b2)])
    low, high = asimov_significance(s, b, 0.05 * b)
    assert low <= high + 1e-6


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_joined_bins_give_a_bracket_that_holds_the_exact_auc(seed: int) -> None:
    logits, labels = random_events(5000, seed)
    exact, coarse = found(logits, labels), found(logits, labels, limit=300)
    assert coarse["auc_low"] < exact["auc"] < coarse["auc_high"]
    assert coarse["auc_low"] < coarse["auc"] < coarse["auc_high"]
    assert coarse["accuracy"] == exact["accuracy"]
    assert coarse["log_loss"] == pytest.approx(exact["log_loss"], rel=1e-2)
    assert coarse["brier"] == pytest.approx(exact["brier"], rel=1e-2)
    assert coarse["auc_stderr"] == pytest.approx(exact["auc_stderr"], rel=1e-2)


def test_the_default_limit_is_exact_at_a_million_rows() -> None:
    logits, labels = random_events(1_000_000)
    values = found(logits, labels)
    assert values["auc"] == values["auc_low"] == values["auc_high"]
    assert values["auc"] == pytest.approx(roc_auc_score(labels, logits), abs=1e-12)


def test_accuracy_stays_exact_for_scores_around_zero_in_joined_bins() -> None:
    logits, labels = random_events(20_000)
    logits *= np.float32(1e-40)
    logits[::7] = 0
    logits[::11] = -0.0
    tally = Tally.empty(limit=260).update(logits, labels)
    assert tally.counts.level > 0
    assert metrics(tally)["accuracy"] == np.mean((logits > 0) == labels)


def test_a_bracket_wider_than_promised_is_said_in_a_line_and_holds_the_auc() -> None:
    random = np.random.default_rng(1)
    labels = (random.random(20_000) < 0.45).astype(np.uint8)
    narrow = 5 + 1e-3 * (random.normal(size=20_000) + labels)
    spread = random.uniform(-1000, 1000, 20_000)
    logits = np.where(random.random(20_000) < 0.5, spread, narrow).astype(np.float32)
    figures = metrics(Tally.empty(limit=8192).update(logits, labels))
    said = wide(figures)
    assert said is not None
    assert "\n" not in said
    assert f"{figures['auc_low']:.7f} and {figures['auc_high']:.7f} only" in said
    exact = metrics(Tally.empty().update(logits, labels))
    assert figures["auc_low"] <= exact["auc"] <= figures["auc_high"]
    assert wide(exact) is None
    assert wide({"auc_low": 0.5, "auc_high": 0.5 + 0.9e-6}) is None


def test_a_zero_logit_is_called_background_as_keras_does() -> None:
    assert found(f32(0, -0.0), u8(0, 1))["accuracy"] == 0.5


def test_perfect_and_inverted_and_constant_scores() -> None:
    labels = u8(0, 0, 1, 1)
    assert found(f32(-2, -1, 1, 2), labels)["auc"] == 1
    assert found(f32(-2, -1, 1, 2), labels)["background_rejection_at_0.5"] == 2
    assert found(f32(2, 1, -1, -2), labels)["auc"] == 0
    assert found(f32(1, 1, 1, 1), labels)["auc"] == 0.5


def test_shuffled_labels_give_one_half() -> None:
    logits, labels = random_events(50_000)
    shuffled = np.random.default_rng(2).permutation(labels)
    assert found(logits, shuffled)["auc"] == pytest.approx(0.5, abs=0.02)


def test_huge_logits_give_finite_json() -> None:
    biggest = float(np.finfo(np.float32).max)
    values = found(f32(biggest, -biggest, 1), u8(0, 1, 1))
    json.dumps(values, allow_nan=False)


@pytest.mark.parametrize("labels", [[], [1, 1], [0]])
def test_one_class_alone_is_an_error_that_counts_both(labels: list[int]) -> None:
    tally = Tally.empty().update(np.zeros(len(labels), np.float32), np.array(labels, np.uint8))
    with pytest.raises(EvaluationError, match=f"{sum(labels)} and {labels.count(0)}"):
        metrics(tally)
    with pytest.raises(EvaluationError, match="both"):
        curve(tally)


@given(st.lists(st.tuples(st.integers(0, 2**38), st.integers(0, 2**62)), max_size=9))
def test_sums_of_products_are_exact_beyond_64_bits(pairs: list[tuple[int, int]]) -> None:
    first, second = (np.array([p[i] for p in pairs], np.int64) for i in (0, 1))
    assert _dot(first, second) == sum(a * b for a, b in pairs)


@settings(deadline=None)
@given(PAIRS)
def test_the_area_under_the_curve_is_the_auc(pairs: list[tuple[float, bool]]) -> None:
    tally = Tally.empty().update(*arrays(pairs))
    points = curve(tally)
    area = np.trapezoid if hasattr(np, "trapezoid") else np.trapz
    assert area(points.signal, points.background) == pytest.approx(metrics(tally)["auc"])
    assert (points.signal[0], points.background[0]) == (0, 0)
    assert (points.signal[-1], points.background[-1]) == (1, 1)


def test_a_perfect_classifier_gains_what_no_background_but_25_events_allows() -> None:
    """100 events of signal over 25 of 50,000 background events, which stand for 0.5."""
    labels = np.repeat(np.array([1, 0], np.uint8), [5000, 50_000])
    logits = labels.astype(np.float32) + np.arange(55_000, dtype=np.float32) * np.float32(1e-6)
    s, b = 100.0, 1000 * 25 / 50_000
    naive = s / math.sqrt(s + b)
    assert found(logits, labels)["significance"] > naive


def test_a_wrong_interval_would_show() -> None:
    """The 95 % interval holds the true AUC, 0.5 here, in about 95 % of experiments."""
    random, held = np.random.default_rng(5), 0
    for _ in range(400):
        labels = (random.random(300) < 0.5).astype(np.uint8)
        values = found(random.normal(size=300).astype(np.float32), labels)
        held += values["auc_ci95_low"] <= 0.5 <= values["auc_ci95_high"]
    assert 0.91 < held / 400 < 0.985
