"""What a chain of models knows after each data set.

In: the figures of its models. Out: a figure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from susystream.evaluate.bins import Float64Array
from susystream.plots.digits import with_error
from susystream.plots.frame import blank, heading, whole_numbers
from susystream.plots.style import COLOURS, GREY, MARKERS, STYLES, VERMILION, Figure, styled
from susystream.schema import Int64Array

_LABELS = {
    "test": "fixed test set",
    "own": "validation part of its own data set",
    "first": "validation part of the first data set",
}


@styled
def forgetting_figure(
    *,
    test: Sequence[float],
    own: Sequence[float],
    first: Sequence[float],
    begin: int = 1,
    errors: Mapping[str, Sequence[float]] | None = None,
) -> Figure:
    """AUC after each data set of a chain of models; what is forgotten lies below the best.

    Bars are one standard error: sets of a few thousand events tell less than large ones.

    Args:
        test: On the fixed test set, at least one.
        own: On the validation part of each model's own data set; NaN where there is none.
        first: On that of the first data set; NaN where there is none.
        begin: The number of the first point; 0 for the model that the chain began from.
        errors: Standard errors of `test`, `own` and `first`, by these names; NaN, or no entry,
            where they are not known.
    """
    figure, axes = blank("data sets learned from, one after the other", "AUC")
    at = np.arange(begin, begin + len(test))
    best = np.maximum.accumulate(np.array(test, np.float64))
    axes.fill_between(at, test, best, color=VERMILION, alpha=0.25, linewidth=0, label="forgetting")
    axes.plot(at, best, color=GREY, linewidth=1, label="best so far")
    known = errors or {}
    lines = {"test": test, "own": own, "first": first}
    for number, (name, values) in enumerate(lines.items()):
        if not np.isnan(values).all():
            error = np.nan_to_num(np.array(known.get(name, [0.0] * len(at)), np.float64))
            _line(axes, at, values, error, number=number, label=_LABELS[name])
    axes.set_xlim(at[0] - 0.5, at[-1] + 0.5)
    whole_numbers(axes)
    last = f"AUC {_value(test[-1], known.get('test'))} on the fixed test set"
    heading(axes, last, f"forgetting {best[-1] - test[-1]:.4f}")
    _room_below(axes)
    return figure


def _value(auc: float, errors: Sequence[float] | None) -> str:
    error = errors[-1] if errors else math.nan
    return with_error(auc, error) if math.isfinite(error) else f"{auc:.4f}"


def _line(
    axes: Axes,
    at: Int64Array,
    values: Sequence[float],
    error: Float64Array,
    *,
    number: int,
    label: str,
) -> None:
    axes.errorbar(
        at,
        values,
        yerr=error if error.any() else None,
        elinewidth=1.4,
        color=COLOURS[number],
        linestyle=STYLES[number],
        marker=MARKERS[number],
        markersize=5 if len(at) <= 40 else 0,
        label=label,
    )


def _room_below(axes: Axes) -> None:
    """The legend stands below every curve."""
    low, high = axes.dataLim.intervaly
    span = max(high - low, 0.01)
    axes.set_ylim(low - 0.75 * span, high + 0.1 * span)
    axes.legend(loc="lower left")
