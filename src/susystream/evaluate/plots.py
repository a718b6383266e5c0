"""Figures of an evaluation.

In: tallies, and what was computed of them. Out: matplotlib figures of their own, with no global
state and no display.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from susystream.errors import EvaluationError
from susystream.evaluate.bins import Float64Array, bin_edges
from susystream.evaluate.metrics import Curve, curve, sigmoid
from susystream.evaluate.tally import Tally

POINTS = 2000  # of a curve: more than a figure has pixels
SCORE_BINS = 50
PAPER_AUC = 0.876  # Baldi, Sadowski, Whiteson 2014, Table II: deep network, complete features
# Okabe and Ito's colours are told apart with every kind of colour vision; the line styles help
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_STYLES = ("-", "--", "-.", ":")
_FONT = 12


def roc_figure(tallies: Mapping[str, Tally], figures: Mapping[str, Mapping[str, float]]) -> Figure:
    """Background rejection (1 - background efficiency) over signal efficiency, a line for each.

    Args:
        tallies: By the name shown in the legend, each with both classes.
        figures: `auc` and `auc_stderr` by the same names, computed once by the caller: of large
            tallies they take a second.

    Raises:
        EvaluationError: A tally lacks a class.
    """
    figure, axes = _blank("signal efficiency", "background rejection, 1 - background efficiency")
    for number, (name, tally) in enumerate(tallies.items()):
        points, found = thinned(curve(tally)), figures[name]
        label = f"{name}: AUC {found['auc']:.4f} ± {found['auc_stderr']:.4f}"
        axes.plot(
            points.signal,
            1 - points.background,
            color=_COLOURS[number % len(_COLOURS)],
            linestyle=_STYLES[number % len(_STYLES)],
            linewidth=2,
            label=label,
        )
    axes.plot([0, 1], [1, 0], color="0.6", linewidth=1, label="guessing: AUC 0.5")
    axes.plot([], [], " ", label=f"paper, SUSY, deep network: AUC {PAPER_AUC}")
    axes.set(xlim=(0, 1), ylim=(0, 1.01), aspect="equal")
    axes.legend(loc="lower left", fontsize=_FONT - 2)
    return figure


def score_figure(name: str, tally: Tally, *, auc: float) -> Figure:
    """Distribution of the score, sigmoid(logit), of signal and of background, each of area 1.

    Raises:
        EvaluationError: The tally lacks a class.
    """
    if not tally.signal or not tally.background:
        raise EvaluationError(
            f"expected both classes in {name}, received {tally.signal} signal and "
            f"{tally.background} background events; draw a set that holds both"
        )
    figure, axes = _blank("score, probability of signal", "density")
    near, far = bin_edges(tally.counts)
    scores = sigmoid((near + far) / 2)
    counts = tally.counts
    _histogram(axes, scores, counts.background / tally.background, colour=0, label="background")
    _histogram(axes, scores, counts.signal / tally.signal, colour=1, label="signal")
    axes.set(xlim=(0, 1), title=f"{name}: {tally.rows:,} events, AUC {auc:.4f}")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=_FONT)
    return figure


def pace_figure(name: str, points: Sequence[tuple[float, int, int]]) -> Figure:
    """Rows a second and memory over time, one step a window.

    Args:
        name: Of the test set.
        points: (seconds on some clock, rows so far, bytes in use), at least two, in order.
    """
    seconds, rows, memory = (np.array(column, np.float64) for column in zip(*points, strict=True))
    rates = np.diff(rows) / np.maximum(np.diff(seconds), 1e-9)
    figure, axes = _blank("seconds", "million rows / s")
    axes.stairs(rates / 1e6, seconds - seconds[0], color=_COLOURS[0], linewidth=2, label="speed")
    axes.set_ylim(0, 1.15 * float(rates.max()) / 1e6)
    beside = axes.twinx()
    beside.plot(
        seconds - seconds[0],
        memory / 2**30,
        color=_COLOURS[1],
        linestyle=_STYLES[1],
        linewidth=2,
        label="memory",
    )
    beside.set_ylabel("memory in use, GiB", fontsize=_FONT)
    beside.set_ylim(0, 1.6 * float(memory.max()) / 2**30)
    lines = [*axes.get_legend_handles_labels()[0], *beside.get_legend_handles_labels()[0]]
    axes.legend(lines, ["speed", "memory"], loc="lower right", fontsize=_FONT)
    axes.set_title(f"{name}: {int(rows[-1] - rows[0]):,} rows in {seconds[-1] - seconds[0]:,.1f} s")
    return figure


def forgetting_figure(
    *, test: Sequence[float], own: Sequence[float], first: Sequence[float], begin: int = 1
) -> Figure:
    """AUC after each data set of a chain of models; what is forgotten lies below the best.

    Args:
        test: On the fixed test set, at least one.
        own: On the validation part of each model's own data set; NaN where there is none.
        first: On that of the first data set; NaN where there is none.
        begin: The number of the first point; 0 for the model that the chain began from.
    """
    figure, axes = _blank("data sets learned from, one after the other", "AUC")
    at = np.arange(begin, begin + len(test))
    best = np.maximum.accumulate(np.array(test, np.float64))
    axes.fill_between(at, test, best, color=_COLOURS[1], alpha=0.25, label="forgetting")
    axes.plot(at, best, color="0.5", linewidth=1, label="best so far")
    lines = {
        "fixed test set": test,
        "validation part of its own data set": own,
        "validation part of the first data set": first,
    }
    for number, (label, values) in enumerate(lines.items()):
        if not np.isnan(values).all():
            axes.plot(
                at,
                values,
                color=_COLOURS[number],
                linestyle=_STYLES[number],
                linewidth=2,
                marker="o",
                markersize=4,
                label=label,
            )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    lost = best[-1] - test[-1]
    axes.set_title(f"AUC {test[-1]:.4f} on the fixed test set, forgetting {lost:.4f}")
    figure.legend(loc="outside lower center", ncols=2, fontsize=_FONT - 2)  # beside no curve
    return figure


def thinned(points: Curve, *, most: int = POINTS) -> Curve:
    """At most `most` points of a curve, evenly spaced along its length, both ends among them."""
    if len(points.signal) <= most:
        return points
    length = points.signal + points.background  # both rise, so this rises from 0 to 2
    at = np.searchsorted(length, np.linspace(0, length[-1], most))
    at = np.unique(np.minimum(at, len(length) - 1))
    return Curve(points.signal[at], points.background[at])


def _blank(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7, 6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_xlabel(x, fontsize=_FONT)
    axes.set_ylabel(y, fontsize=_FONT)
    axes.tick_params(labelsize=_FONT - 1)
    axes.grid(alpha=0.3)
    return figure, axes


def _histogram(
    axes: Axes, scores: Float64Array, shares: Float64Array, *, colour: int, label: str
) -> None:
    heights, edges = np.histogram(scores, SCORE_BINS, (0, 1), weights=shares)
    axes.stairs(
        heights * SCORE_BINS,
        edges,
        color=_COLOURS[colour],
        linestyle=_STYLES[colour],
        linewidth=2,
        label=label,
    )
