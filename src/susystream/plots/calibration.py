"""Whether a model's probabilities are what they say.

In: a tally. Out: a figure.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from susystream.evaluate.metrics import CALIBRATION_BINS
from susystream.evaluate.tally import Tally
from susystream.plots.binned import BinnedScores, binned_scores, binomial_interval
from susystream.plots.frame import heading, stacked
from susystream.plots.style import BACKGROUND, GREY, SIGNAL, STYLES, Figure, shown, styled


@styled
def calibration_figure(name: str, tally: Tally, *, ece: float, model: str = "") -> Figure:
    """Observed share of signal over the mean predicted probability; below, the events by bin.

    The bins are those of the expected calibration error: 15 of equal width. A point stands at the
    mean prediction of its bin; its bar is Wilson's interval of one standard deviation of a
    binomial fraction. Where the model is calibrated the points lie on the diagonal.

    Args:
        name: Of the set.
        tally: Of its scores.
        ece: Computed once by the caller.
        model: That scored, for the legend.

    Raises:
        EvaluationError: The tally lacks a class.
    """
    binned = binned_scores(name, tally, bins=CALIBRATION_BINS)
    figure, (upper, lower) = stacked(
        "predicted probability of signal",
        ["observed share of signal", "events per bin"],
        heights=(4.0, 1.4),
    )
    upper.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="calibrated")
    _points(upper, binned)
    upper.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    upper.legend(loc="upper left", title=shown(model) or None, alignment="left")
    heading(upper, shown(name), f"{tally.rows:,} events, calibration error {ece:.4f}")
    _events(lower, binned)
    return figure


def _points(axes: Axes, binned: BinnedScores) -> None:
    some = binned.events > 0
    at, signal, events = binned.probability[some], binned.signal[some], binned.events[some]
    share = signal / events
    low, high = binomial_interval(signal, events)
    axes.errorbar(
        at,
        share,
        yerr=np.maximum([share - low, high - share], 0),
        color="black",
        linestyle="",
        marker="o",
        label="observed",
    )


def _events(axes: Axes, binned: BinnedScores) -> None:
    for counts, colour, style, label in (
        (binned.background, BACKGROUND, STYLES[0], "background"),
        (binned.signal, SIGNAL, STYLES[1], "signal"),
    ):
        axes.stairs(counts, binned.edges, color=colour, linestyle=style, label=label)
    axes.set_yscale("log")
    most = float(max(binned.signal.max(), binned.background.max()))
    axes.set_ylim(0.5, 30 * most)  # room for the legend
    axes.legend(loc="upper center", ncols=2)
