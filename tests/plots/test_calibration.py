"""The reliability diagram shows shares of signal that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from plots.looking import LONG, check_readable, events_of, steps, tally_of, texts, two_events

from susystream.evaluate.metrics import CALIBRATION_BINS as BINS
from susystream.evaluate.tally import Tally
from susystream.plots.calibration import calibration_figure


def test_points_are_observed_shares_at_mean_predictions() -> None:
    logits, labels = events_of(3000)
    figure = calibration_figure(
        "toy", Tally.empty().update(logits, labels), ece=0.01234, model="m1"
    )
    assert "m1" in texts(figure)
    scores = 1 / (1 + np.exp(-logits.astype(np.float64)))
    x, y, low, high = [], [], [], []
    for at in range(BINS):
        inside = (scores >= at / BINS) & (scores < (at + 1) / BINS)
        if inside.any():
            n, share = inside.sum(), labels[inside].mean()
            x.append(scores[inside].mean())
            y.append(share)
            middle, half = (share + 0.5 / n), np.sqrt(share * (1 - share) / n + 0.25 / n**2)
            low.append((middle - half) / (1 + 1 / n))
            high.append((middle + half) / (1 + 1 / n))
    (drawn,) = [c for c in figure.axes[0].containers if isinstance(c, ErrorbarContainer)]
    np.testing.assert_allclose(drawn[0].get_xdata(), x, rtol=1e-12)
    np.testing.assert_allclose(drawn[0].get_ydata(), y, rtol=1e-12)
    bars = np.array([[one[0][1], one[1][1]] for one in drawn[2][0].get_segments()])
    np.testing.assert_allclose(bars, np.column_stack([low, high]), atol=1e-12)
    assert figure.axes[0].get_title("right") == "3,000 events, calibration error 0.0123"


def test_below_stand_the_events_of_each_class() -> None:
    tally = tally_of(3000)
    background, signal = steps(calibration_figure("toy", tally, ece=0).axes[1])
    assert background[0].sum() == tally.background
    assert signal[0].sum() == tally.signal
    assert len(signal[0]) == BINS


@pytest.mark.parametrize("scores", [(0.1, 0.1), (-90.0, 90.0), (90.0, -90.0)])
def test_two_events_are_readable_too(scores: tuple[float, float]) -> None:
    check_readable(calibration_figure("two", two_events(*scores), ece=0.5, model=LONG))
