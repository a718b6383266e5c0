"""The scaler against numpy over all events at once."""

from __future__ import annotations

import numpy as np
import pytest

from susystream.data.scaling import Scaler, ScalerFit
from susystream.errors import DataError, DocumentInvalid
from susystream.physics.toy import toy_events
from susystream.schema import EventBatch


@pytest.mark.parametrize("cuts", [[], [1], [7, 7, 500], list(range(0, 1000, 13))])
def test_any_batches_give_the_mean_and_deviation_of_the_whole(cuts: list[int]) -> None:
    events, fit = toy_events(start=0, stop=1000, seed=3), ScalerFit()
    for start, stop in zip([0, *cuts], [*cuts, 1000], strict=True):
        fit.update(events[start:stop])
    values, scaler = events.features.astype(np.float64), fit.result()
    np.testing.assert_allclose(scaler.mean, values.mean(axis=0), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(scaler.std, values.std(axis=0), rtol=1e-12)


def test_large_offsets_do_not_cancel() -> None:
    features = (1e4 + np.arange(1800).reshape(100, 18) % 7).astype(np.float32)
    fit, events = ScalerFit(), EventBatch(np.arange(100), features, np.zeros(100, np.uint8))
    for row in range(100):
        fit.update(events[row : row + 1])
    np.testing.assert_allclose(fit.result().std, features.astype(float).std(axis=0), rtol=1e-10)


def test_a_constant_feature_keeps_deviation_one() -> None:
    fit = ScalerFit()
    fit.update(EventBatch(np.arange(3), np.ones((3, 18), np.float32), np.zeros(3, np.uint8)))
    assert fit.result() == Scaler((1.0,) * 18, (1.0,) * 18)


def test_no_events_are_an_error() -> None:
    with pytest.raises(DataError, match="received none"):
        ScalerFit().result()


def test_json_gives_the_same_scaler_back() -> None:
    scaler = Scaler(tuple(x / 3 for x in range(18)), tuple(0.1 + x for x in range(18)))
    assert Scaler.from_json(scaler.to_json()) == scaler


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"mean": [0.0] * 18, "std": [0.0] * 18},
        {"mean": [0.0], "std": [1.0]},
        {"mean": 1, "std": 2},
    ],
)
def test_a_damaged_document_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(DocumentInvalid):
        Scaler.from_json(bad)
