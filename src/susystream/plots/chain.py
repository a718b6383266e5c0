"""What a chain of models knows after each data set.

In: the figures of its models. Out: a figure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from susystream.plots.frame import blank, heading, whole_numbers
from susystream.plots.style import COLOURS, GREY, MARKERS, STYLES, VERMILION, Figure, styled
from susystream.schema import Int64Array


@styled
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
    figure, axes = blank("data sets learned from, one after the other", "AUC")
    at = np.arange(begin, begin + len(test))
    best = np.maximum.accumulate(np.array(test, np.float64))
    axes.fill_between(at, test, best, color=VERMILION, alpha=0.25, linewidth=0, label="forgetting")
    axes.plot(at, best, color=GREY, linewidth=1, label="best so far")
    lines = {
        "fixed test set": test,
        "validation part of its own data set": own,
        "validation part of the first data set": first,
    }
    for number, (label, values) in enumerate(lines.items()):
        if not np.isnan(values).all():
            _line(axes, at, values, number=number, label=label)
    axes.set_xlim(at[0] - 0.5, at[-1] + 0.5)
    whole_numbers(axes)
    lost = best[-1] - test[-1]
    heading(axes, f"AUC {test[-1]:.4f} on the fixed test set", f"forgetting {lost:.4f}")
    _room_below(axes)
    return figure


def _line(axes: Axes, at: Int64Array, values: Sequence[float], *, number: int, label: str) -> None:
    axes.plot(
        at,
        values,
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
