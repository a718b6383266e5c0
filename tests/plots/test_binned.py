"""A few bins of a tally are the counts of its events, however many bins the tally has."""

from __future__ import annotations

import numpy as np
import pytest
from plots.looking import events_of

from susystream.errors import EvaluationError
from susystream.evaluate.metrics import CALIBRATION_BINS, metrics
from susystream.evaluate.tally import Tally
from susystream.plots.binned import binned_scores, binomial_interval


@pytest.mark.parametrize("bins", [1, 15, 40])
def test_bins_hold_what_a_loop_over_the_events_counts(bins: int) -> None:
    logits, labels = events_of(3000)
    signal, background, scores = [0] * bins, [0] * bins, [0.0] * bins
    for logit, label in zip(logits.tolist(), labels.tolist(), strict=True):
        probability = 1 / (1 + np.exp(-logit))
        at = min(int(probability * bins), bins - 1)
        (signal if label else background)[at] += 1
        scores[at] += probability
    found = binned_scores("toy", Tally.empty().update(logits, labels), bins=bins)
    assert found.signal.tolist() == signal
    assert found.background.tolist() == background
    mean = [s / n if n else np.nan for s, n in zip(scores, found.events, strict=True)]
    np.testing.assert_allclose(found.probability, mean, rtol=1e-12)


def test_a_tally_of_joined_bins_loses_no_event() -> None:
    logits, labels = events_of(200_000)
    small = Tally.empty(limit=5000).update(logits, labels)
    assert small.counts.level > 0
    found = binned_scores("toy", small, bins=15)
    exact = binned_scores("toy", Tally.empty().update(logits, labels), bins=15)
    assert found.signal.sum() == labels.sum()
    assert found.events.sum() == len(labels)
    assert np.abs(found.events - exact.events).max() < 0.002 * len(labels)


def test_the_calibration_error_of_the_bins_is_that_of_the_metrics() -> None:
    tally = Tally.empty().update(*events_of(20_000))
    found = binned_scores("toy", tally, bins=CALIBRATION_BINS)
    some = found.events > 0
    distance = np.abs(found.events * found.probability - found.signal)[some].sum()
    assert distance / tally.rows == pytest.approx(metrics(tally)["ece"], rel=1e-9)


@pytest.mark.parametrize("label", [0, 1])
def test_a_set_of_one_class_is_our_error(label: int) -> None:
    tally = Tally.empty().update(np.ones(3, np.float32), np.full(3, label, np.uint8))
    with pytest.raises(EvaluationError, match=r"both classes in one, received \d signal and \d"):
        binned_scores("one", tally, bins=15)


@pytest.mark.parametrize(("passed", "tried"), [(0, 1), (1, 1), (0, 50), (3, 10), (500, 1000)])
def test_wilsons_interval_ends_one_standard_deviation_from_what_was_seen(
    passed: int, tried: int
) -> None:
    low, high = binomial_interval(np.array([float(passed)]), np.array([float(tried)]))
    for end in (low[0], high[0]):
        assert abs(end - passed / tried) == pytest.approx(
            np.sqrt(end * (1 - end) / tried), abs=1e-12
        )
    assert low[0] < high[0]
    assert 0 <= low[0] <= passed / tried <= high[0] <= 1
