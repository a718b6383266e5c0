"""How well a model tells the classes apart: ROC curves, their areas beside the publication's.

In: tallies, and the areas computed of them. Out: a figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from susystream.evaluate.metrics import Curve, curve
from susystream.evaluate.paper import SOURCE, TABLE_II, feature_set
from susystream.evaluate.tally import Tally
from susystream.plots.binned import check_both_classes
from susystream.plots.digits import with_error
from susystream.plots.frame import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    faint_grid,
    heading,
    label,
    placed,
)
from susystream.plots.listing import ROW, Row, show_rows
from susystream.plots.style import COLOURS, GREY, MARKERS, STYLES, Figure, Picture, shown, styled

POINTS = 2000  # of a curve: more than a figure has pixels
_REJECTED = "1 \N{MINUS SIGN} background efficiency"
_CURVES = 5.0  # inches, height of the curves


@styled
def roc_figure(
    tallies: Mapping[str, Tally],
    figures: Mapping[str, Mapping[str, float]],
    *,
    features: Sequence[str] = (),
    title: str = "",
) -> Figure:
    """1 - background efficiency over signal efficiency, a line for each.

    Below stand the areas under the curves, with their standard errors, beside those that Baldi,
    Sadowski and Whiteson (2014) reached with the same features on the whole of SUSY.

    Args:
        tallies: By the name shown in the legend, at least one, each with both classes.
        figures: `auc` and `auc_stderr` by the same names, computed once by the caller: of large
            tallies they take a second.
        features: What the model sees; if they are none of the publication's three choices, there
            is nothing to compare with.
        title: What was evaluated.

    Raises:
        EvaluationError: A tally lacks a class.
    """
    rows = [_row(number, name, figures[name]) for number, name in enumerate(tallies)]
    rows += _paper_rows(feature_set(features))
    width = WIDTH - LEFT - RIGHT
    figure = Picture(WIDTH, TOP + _CURVES + 2 * BOTTOM + len(rows) * ROW)
    upper = placed(figure, left=LEFT, below=TOP, size=(width, _CURVES))
    _curves(upper, tallies)
    heading(upper, shown(title))
    lower = placed(figure, left=LEFT, below=TOP + _CURVES + BOTTOM, size=(width, len(rows) * ROW))
    show_rows(lower, rows, x="area under the curve, AUC", highest=1)
    return figure


def _row(number: int, name: str, found: Mapping[str, float]) -> Row:
    auc, error = found["auc"], found["auc_stderr"]
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    return Row(name, auc, error, with_error(auc, error), colour, marker)


def _paper_rows(known: str | None) -> list[Row]:
    if known is None:
        return []
    found = [Row(name, auc, number=f"{auc:.3f}") for name, auc in TABLE_II[known].items()]
    level = known if known == "complete" else f"{known}-level"
    return [Row(f"{SOURCE}, {level} features:"), *found]


def _curves(axes: Axes, tallies: Mapping[str, Tally]) -> None:
    for number, (name, tally) in enumerate(tallies.items()):
        check_both_classes(name, tally)
        points = thinned(curve(tally))
        axes.plot(
            points.signal,
            1 - points.background,
            color=COLOURS[number % len(COLOURS)],
            linestyle=STYLES[number % len(STYLES)],
            label=shown(name),
        )
    axes.plot([0, 1], [1, 0], color=GREY, linewidth=1, label="guessing")
    axes.set(xlim=(0, 1), ylim=(0, 1.01))
    label(axes, x="signal efficiency", y=_REJECTED)
    faint_grid(axes)
    axes.legend(loc="lower left")


def thinned(points: Curve, *, most: int = POINTS) -> Curve:
    """At most `most` points of a curve, evenly spaced along its length, both ends among them."""
    if len(points.signal) <= most:
        return points
    length = points.signal + points.background  # both rise, so this rises from 0 to 2
    at = np.searchsorted(length, np.linspace(0, length[-1], most))
    at = np.unique(np.minimum(at, len(length) - 1))
    return Curve(points.signal[at], points.background[at])
