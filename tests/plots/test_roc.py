"""ROC curves: true to the counts, thin enough, beside the publication's areas."""

from __future__ import annotations

import numpy as np
import pytest
from plots.looking import LONG, check_readable, events_of, legend_of, tally_of, texts

from susystream.errors import EvaluationError
from susystream.evaluate.metrics import curve, metrics
from susystream.evaluate.paper import TABLE_II
from susystream.evaluate.tally import Tally
from susystream.plots.roc import POINTS, roc_figure, thinned
from susystream.schema import FEATURE_SETS, FEATURES


def test_a_curve_is_that_of_a_loop_over_the_cuts() -> None:
    logits, labels = events_of(400)
    tally = Tally.empty().update(logits, labels)
    figure = roc_figure({"toy": tally}, {"toy": metrics(tally)})
    drawn = np.column_stack(figure.axes[0].lines[0].get_data())
    cuts = [np.inf, *sorted(set(logits.tolist()), reverse=True)]
    passed = [logits >= cut for cut in cuts]
    slow = [(one[labels == 1].mean(), 1 - one[labels == 0].mean()) for one in passed]
    np.testing.assert_allclose(drawn, slow, atol=1e-12)


@pytest.mark.parametrize("level", ["low", "high", "complete"])
def test_the_areas_stand_beside_those_of_the_publication_for_the_same_features(level: str) -> None:
    tallies = {"toy": tally_of(20_000), "real": tally_of(500, separation=1.0)}
    found = {name: metrics(tally) for name, tally in tallies.items()}
    figure = roc_figure(tallies, found, features=FEATURE_SETS[level], title="m1")
    said = texts(figure)
    assert legend_of(figure.axes[0]) == ["toy", "real", "guessing"]
    for name in tallies:
        assert f"{found[name]['auc']:.4f} ± {found[name]['auc_stderr']:.4f}" in said
    assert sum("Baldi et al. 2014, Table II" in one for one in said) == 1
    for method, auc in TABLE_II[level].items():
        assert {method, f"{auc:.3f}"} <= set(said)
    points = [line.get_xdata() for line in figure.axes[1].lines]
    assert len(points) == len(tallies) + 5
    assert figure.axes[0].get_title("left") == "m1"


def test_the_error_of_a_large_set_is_no_row_of_noughts() -> None:
    tally = tally_of(1000)
    figure = roc_figure({"toy": tally}, {"toy": {"auc": 0.8661377, "auc_stderr": 4.27e-5}})
    assert "0.866138 ± 0.000043" in texts(figure)
    check_readable(figure)


def test_other_features_are_compared_with_nothing() -> None:
    tally = tally_of(1000)
    said = texts(roc_figure({"toy": tally}, {"toy": metrics(tally)}, features=FEATURES[:3]))
    assert not [one for one in said if "Baldi" in one]


def test_seven_sets_are_told_apart_and_read() -> None:
    tallies = {f"{LONG}{number}": tally_of(500, separation=number / 3) for number in range(7)}
    found = {name: metrics(tally) for name, tally in tallies.items()}
    figure = roc_figure(tallies, found, features=FEATURES)
    lines = figure.axes[0].lines[:7]
    assert len({line.get_color() for line in lines}) == 7
    check_readable(figure)


def test_a_curve_is_thinned_without_losing_its_ends_or_area() -> None:
    full = curve(tally_of(100_000))
    thin = thinned(full)
    assert len(thin.signal) <= POINTS < len(full.signal)
    assert (thin.signal[0], thin.signal[-1]) == (0, 1)
    area = np.trapezoid if hasattr(np, "trapezoid") else np.trapz
    assert area(thin.signal, thin.background) == pytest.approx(
        area(full.signal, full.background), abs=1e-5
    )
    assert thinned(thin) is thin


def test_a_set_of_one_class_is_our_error() -> None:
    tally = Tally.empty().update(np.ones(1, np.float32), np.ones(1, np.uint8))
    with pytest.raises(EvaluationError, match="both classes in one"):
        roc_figure({"one": tally}, {"one": {"auc": 0.5, "auc_stderr": 0.1}})
