"""How a model's scores are spread over the two classes.

In: a tally. Out: a figure.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from susystream.evaluate.bins import Float64Array
from susystream.evaluate.tally import Tally
from susystream.plots.binned import BinnedScores, binned_scores
from susystream.plots.frame import heading, stacked
from susystream.plots.style import BACKGROUND, GREY, SIGNAL, STYLES, Figure, shown, styled

BINS, FEW_BINS = 40, 20
FEW_EVENTS = 1000  # that are too few for narrow bins
_CALIBRATED = "calibrated: p / (1 \N{MINUS SIGN} p)"
_OBSERVED = "observed, ratio of events"


@styled
def score_figure(name: str, tally: Tally, *, auc: float, model: str = "") -> Figure:
    """Distribution of the score, sigmoid(logit), of signal and of background, each of area 1.

    Below, the ratio of signal to background events in each bin, beside what it is when the score
    is the probability of signal: p / (1 - p). Bands and bars are one standard deviation of the
    counts, √n.

    Args:
        name: Of the set.
        tally: Of its scores.
        auc: Computed once by the caller.
        model: That scored, for the legend.

    Raises:
        EvaluationError: The tally lacks a class.
    """
    binned = binned_scores(name, tally, bins=FEW_BINS if tally.rows < FEW_EVENTS else BINS)
    figure, (upper, lower) = stacked(
        "score, probability of signal",
        ["density, each class of area 1", "signal / background"],
        heights=(3.7, 1.7),
    )
    _class(upper, binned.edges, binned.background, BACKGROUND, 0, "background")
    _class(upper, binned.edges, binned.signal, SIGNAL, 1, "signal")
    _frame(upper, binned, model)
    heading(upper, shown(name), f"{tally.rows:,} events, AUC {auc:.4f}")
    _ratio(lower, binned)
    return figure


def _class(
    axes: Axes, edges: Float64Array, counts: Float64Array, colour: str, style: int, label: str
) -> None:
    scale, error = (len(edges) - 1) / counts.sum(), np.sqrt(counts)
    axes.stairs(
        (counts + error) * scale,
        edges,
        baseline=np.maximum(counts - error, 0) * scale,
        fill=True,
        color=colour,
        alpha=0.3,
        linewidth=0,
    )
    axes.stairs(counts * scale, edges, color=colour, linestyle=STYLES[style], label=label)


def _frame(axes: Axes, binned: BinnedScores, model: str) -> None:
    """A logarithmic axis: a good model's peak is a hundred times as high as its tail."""
    shares = np.concatenate([one / one.sum() for one in (binned.signal, binned.background)])
    density = shares[shares > 0] * len(binned.signal)
    axes.set(xlim=(0, 1), yscale="log")
    low, high = 0.4 * float(density.min()), 12 * float(density.max())  # room for the legend
    axes.set_ylim(min(low, high / 300), high)
    axes.legend(loc="upper center", ncols=2, title=shown(model) or None)


def _ratio(axes: Axes, binned: BinnedScores) -> None:
    both = (binned.signal > 0) & (binned.background > 0)
    signal, background, at = binned.signal[both], binned.background[both], binned.probability[both]
    ratio = signal / background
    error = ratio * np.sqrt(1 / signal + 1 / background)
    probability = np.linspace(0.002, 0.998, 500)
    expected = probability / (1 - probability)
    axes.plot(probability, expected, color=GREY, linestyle="--", label=_CALIBRATED)
    look: dict[str, Any] = {"color": "black", "linestyle": "", "marker": "o", "markersize": 3.5}
    axes.errorbar(at, ratio, yerr=error, label=_OBSERVED, **look)
    low, high = float(ratio.min(initial=1)), float((ratio + error).max(initial=1))
    axes.set_yscale("log")
    axes.set_ylim(min(0.4 * low, 0.05), max(4 * high, 20))  # a bar of 100 % has no lower end
    axes.legend(loc="upper left")
