"""Features beside real ones: counts of the events, and pulls that mean something."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from plots.looking import check_readable, png, steps, texts

from susystream.data.source import RealLowLevelSource, ToySource, real_sample
from susystream.errors import DataError
from susystream.physics.units import UNITS
from susystream.plots.feature_bins import Beside, beside
from susystream.plots.features import features_figure
from susystream.plots.style import Figure
from susystream.schema import FEATURES, EventBatch, concatenate

TOY = concatenate(list(ToySource(20_000, 5).batches()))
MANY = concatenate(list(RealLowLevelSource().batches()))
REAL = dict.fromkeys(FEATURES, MANY) | {"MET_rel": concatenate(list(real_sample().batches()))}


def test_a_feature_is_counted_in_its_unit_class_by_class() -> None:
    for label, one in enumerate(beside("lepton 1 pT", TOY, MANY)):
        ours, real = (TOY, one.ours, one.ours_all), (MANY, one.real, one.real_all)
        for batch, counts, everything in (ours, real):
            values = batch.features[batch.labels == label, 0] * np.float64(78.54954319)
            slow = [
                int(((values >= low) & (values < high)).sum())
                for low, high in zip(one.edges[:-1], one.edges[1:], strict=True)
            ]
            assert np.abs(counts - slow).max() <= 1  # a value within rounding of an edge
            assert everything == len(values)
            assert 0.97 < counts.sum() / everything <= 1


def test_pulls_of_one_distribution_are_of_a_standard_normal() -> None:
    other = concatenate(list(ToySource(20_000, 6).batches()))
    found = [one.pulls() for name in FEATURES for one in beside(name, TOY, other)]
    pulls = np.concatenate(found)
    pulls = pulls[np.isfinite(pulls)]
    assert len(pulls) > 1000
    assert abs(float(pulls.std()) - 1) < 0.08
    assert float(np.mean(np.abs(pulls) < 2)) == pytest.approx(0.954, abs=0.02)


def test_a_shift_of_real_events_shows_in_the_pulls() -> None:
    moved = replace(MANY, features=np.ascontiguousarray(MANY.features + np.float32(0.2)))
    quiet, loud = (beside("lepton 1 eta", MANY, one)[0] for one in (MANY, moved))
    assert np.nanmax(np.abs(quiet.pulls())) == 0
    assert np.nanmax(np.abs(loud.pulls())) > 4


def test_a_class_that_is_missing_has_no_pull() -> None:
    none = np.zeros(3)
    one = Beside(np.arange(4.0), np.ones(3), none, ours_all=3, real_all=0)
    assert np.isnan(one.pulls()).all()
    assert all(np.isfinite(part).all() for part in one.densities())


def test_all_features_are_drawn_with_their_units_and_can_be_read() -> None:
    figure = features_figure("toy", TOY, real=REAL)
    check_readable(figure)
    said = texts(figure)
    for name in FEATURES:
        unit = UNITS[name].name
        assert (f"{name} [{unit}]" if unit else name) in said
    assert "20,000 events beside 10,499 real ones (500 of MET_rel)" in said
    assert len(figure.axes) == 36
    for number, name in enumerate(FEATURES):
        drawn = steps(figure.axes[2 * number])
        for one, (values, edges) in zip(beside(name, TOY, REAL[name]), drawn, strict=True):
            inside = one.ours.sum() / one.ours_all
            assert (values * np.diff(edges)).sum() == pytest.approx(inside)


def test_real_events_stand_alone_for_they_would_be_compared_with_themselves() -> None:
    figure = features_figure("real_low_level", MANY, real=None)
    check_readable(figure)
    said = texts(figure)
    assert "10,499 events, alone: the real ones to compare with may be among them" in said
    assert "pull" not in said
    assert len(figure.axes) == len(FEATURES)
    assert not any(axes.containers for axes in figure.axes)  # of points with bars
    assert legend_texts(figure) == ["background, real_low_level", "signal, real_low_level"]


@pytest.mark.parametrize("label", [0, 1])
def test_events_of_one_class_or_of_one_value_are_drawn_too(label: int) -> None:
    same = EventBatch(TOY.numbers[:9], np.zeros((9, 18), np.float32), np.full(9, label, np.uint8))
    png(features_figure("odd", same, real=REAL if label else dict.fromkeys(FEATURES, same)))


def test_no_event_is_our_error() -> None:
    with pytest.raises(DataError, match="expected events of toy"):
        features_figure("toy", EventBatch.empty(), real=REAL)


def legend_texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]
