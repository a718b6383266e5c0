"""Score distributions: densities of both classes, and their ratio, are those of the events."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from plots.looking import (
    LONG,
    check_readable,
    events_of,
    legend_of,
    steps,
    tally_of,
    texts,
    two_events,
)

from susystream.evaluate.tally import Tally
from susystream.plots.scores import BINS, FEW_BINS, score_figure


@pytest.mark.parametrize(("rows", "bins"), [(5000, BINS), (500, FEW_BINS)])
def test_each_class_is_the_density_of_its_scores(rows: int, bins: int) -> None:
    logits, labels = events_of(rows)
    figure = score_figure("toy", Tally.empty().update(logits, labels), auc=0.87654, model="m1")
    scores = 1 / (1 + np.exp(-logits.astype(np.float64)))
    for label, (values, edges) in zip((0, 1), steps(figure.axes[0]), strict=True):
        slow, slow_edges = np.histogram(scores[labels == label], bins, (0, 1), density=True)
        np.testing.assert_allclose(values, slow, atol=1e-12)
        np.testing.assert_allclose(edges, slow_edges)
    assert legend_of(figure.axes[0]) == ["background", "signal"]
    assert "m1" in texts(figure)
    assert figure.axes[0].get_title("left") == "toy"
    assert figure.axes[0].get_title("right") == f"{rows:,} events, AUC 0.8765"


def test_the_ratio_is_signal_over_background_where_both_are() -> None:
    logits, labels = events_of(2000)
    figure = score_figure("toy", Tally.empty().update(logits, labels), auc=0.8)
    scores = 1 / (1 + np.exp(-logits.astype(np.float64)))
    at = np.minimum((scores * BINS).astype(int), BINS - 1)
    s, b = (np.bincount(at[labels == label], minlength=BINS) for label in (1, 0))
    both = (s > 0) & (b > 0)
    (drawn,) = [c for c in figure.axes[1].containers if isinstance(c, ErrorbarContainer)]
    np.testing.assert_allclose(drawn[0].get_ydata(), (s / np.maximum(b, 1))[both])
    segments = drawn[2][0].get_segments()
    error = [(one[1][1] - one[0][1]) / 2 for one in segments]
    expected = [x / y * np.sqrt(1 / x + 1 / y) for x, y in zip(s[both], b[both], strict=True)]
    np.testing.assert_allclose(error, expected)
    assert figure.axes[1].get_yscale() == "log"
    assert legend_of(figure.axes[1])[-1] == "observed, ratio of events"


@pytest.mark.parametrize("kind", ["one bin", "apart", "good", "poor"])
def test_extreme_scores_are_readable_too(kind: str) -> None:
    tallies = {
        "one bin": two_events(0.1, 0.1),
        "apart": two_events(-90, 90),
        "good": tally_of(100_000, separation=12),
        "poor": tally_of(100, separation=0),
    }
    check_readable(score_figure(kind, tallies[kind], auc=0.5, model=LONG))
