"""The toy Monte Carlo: reproducible, like the data, separable but not trivially."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from susystream.data.source import real_sample
from susystream.physics.features import PT1, PT2, high_level
from susystream.physics.toy import CHUNK, SIGNAL_FRACTION, toy_events
from susystream.schema import EventBatch, concatenate


@pytest.fixture(scope="module")
def toy() -> EventBatch:
    return toy_events(start=0, stop=2 * CHUNK, seed=1).checked()


def same(a: EventBatch, b: EventBatch) -> bool:
    return bool(
        np.array_equal(a.numbers, b.numbers)
        and np.array_equal(a.features, b.features)
        and np.array_equal(a.labels, b.labels)
    )


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 10), (5, 5), (CHUNK - 3, CHUNK + 4), (CHUNK, CHUNK + 1)]
)
def test_an_event_depends_on_its_number_and_seed_only(
    toy: EventBatch, start: int, stop: int
) -> None:
    assert same(toy_events(start=start, stop=stop, seed=1), toy[start:stop])


def test_another_seed_gives_other_events(toy: EventBatch) -> None:
    other = toy_events(start=0, stop=100, seed=2)
    assert not np.isin(other.features[:, 0], toy.features[:, 0]).any()


def test_chunks_differ(toy: EventBatch) -> None:
    assert not np.array_equal(toy.features[:CHUNK], toy.features[CHUNK:])


def test_signal_fraction_and_cuts_are_those_of_the_data(toy: EventBatch) -> None:
    assert toy.labels.mean() == pytest.approx(SIGNAL_FRACTION, abs=0.005)
    first, second = toy.features[:, 0] * PT1, toy.features[:, 3] * PT2
    assert min(first.min(), second.min()) > 19.99
    assert (first >= second - 1e-3).all()


def test_high_level_columns_follow_from_the_low_level_ones(toy: EventBatch) -> None:
    some = toy.features[:1000]
    np.testing.assert_allclose(some[:, 8:], high_level(some[:, :8]), rtol=1e-5, atol=1e-6)


def test_medians_are_near_those_of_the_real_rows(toy: EventBatch) -> None:
    real = concatenate(list(real_sample().batches()))
    for label in (0, 1):
        ours, theirs = toy.features[toy.labels == label], real.features[real.labels == label]
        spread = np.subtract(*np.percentile(theirs, (75, 25), axis=0))
        shift = np.abs(np.median(ours, axis=0) - np.median(theirs, axis=0)) / spread
        assert shift.max() < 0.5


def test_a_classifier_separates_the_toy_and_transfers_to_real_rows(toy: EventBatch) -> None:
    train, test = toy[:60_000], toy[60_000:120_000]
    real = concatenate(list(real_sample().batches()))
    trees = HistGradientBoostingClassifier(max_iter=60, early_stopping=False, random_state=0)
    trees.fit(train.features, train.labels)

    def auc(events: EventBatch) -> float:
        return float(roc_auc_score(events.labels, trees.predict_proba(events.features)[:, 1]))

    assert 0.80 < auc(test) < 0.92
    assert auc(real) > 0.78
