"""Distributions of the 18 features: some events beside real ones, class by class.

In: batches of events. Out: a figure.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from susystream.errors import DataError
from susystream.physics.units import UNITS
from susystream.plots.feature_bins import Beside, beside
from susystream.plots.frame import placed
from susystream.plots.style import (
    BACKGROUND,
    GREY,
    SIGNAL,
    SMALL,
    STYLES,
    Figure,
    Picture,
    shown,
    styled,
)
from susystream.schema import FEATURES, EventBatch

_COLUMNS = 3
_CELL = (3.75, 2.95)  # inches, for one feature
_AXES = 3.2  # inches, width
_UPPER, _LOWER, _GAP = 1.6, 0.55, 0.07  # inches, heights of the distribution and of the pulls
_LEFT, _LEGEND = 0.5, 0.85  # inches, free at the left and on top
_LETTERS = 11
_LIMIT = 5.4  # standard deviations, ends of the pulls' axis: what is farther off stands at the end
_CLASSES = (("background", BACKGROUND, "o"), ("signal", SIGNAL, "s"))


@styled
def features_figure(
    name: str, events: EventBatch, *, real: Mapping[str, EventBatch] | None
) -> Figure:
    """Each feature of `events` beside that of real ones, signal and background apart.

    Lines are `events`, points are real ones with bars of one standard deviation, each of area 1.
    Below stand the pulls, real minus ours in standard deviations: of 20 bins 19 lie within ± 2
    (grey) where both are of one distribution. Values are in GeV and radians.

    Args:
        name: Of the events.
        events: At least one.
        real: The real events to compare with, by feature; all 18. None where `events` may hold
            them: they are then drawn alone, as pulls of events and themselves mean nothing.

    Raises:
        DataError: There is no event.
    """
    others = [real[feature] if real else events for feature in FEATURES]
    if not len(events) or not all(map(len, others)):
        raise DataError(f"expected events of {name} and real ones to draw, received none")
    rows = -(-len(FEATURES) // _COLUMNS)
    figure = Picture(_LEFT + _COLUMNS * _CELL[0], _LEGEND + rows * _CELL[1])
    for number, (feature, other) in enumerate(zip(FEATURES, others, strict=True)):
        row, column = divmod(number, _COLUMNS)
        place = _LEFT + column * _CELL[0], _LEGEND + row * _CELL[1]
        upper, lower = _cell(figure, place, pulls=real is not None)
        classes = beside(feature, events, other)
        _distributions(upper, classes, name)
        if real is not None:
            _real(upper, classes)
            _pulls(lower, classes)
        upper.set_ylim(0, 1.25 * upper.get_ylim()[1])
        _frame(upper, lower, feature, first=column == 0)
    _legend(figure, len(events), real)
    return figure


def _cell(figure: Figure, place: tuple[float, float], *, pulls: bool) -> tuple[Axes, Axes]:
    """The axes of a feature, and below them those of its pulls; without these the same twice."""
    left, below = place
    if not pulls:
        axes = placed(figure, left=left, below=below, size=(_AXES, _UPPER + _GAP + _LOWER))
        return axes, axes
    upper = placed(figure, left=left, below=below, size=(_AXES, _UPPER))
    lower = placed(figure, left=left, below=below + _UPPER + _GAP, size=(_AXES, _LOWER))
    lower.sharex(upper)
    return upper, lower


def _distributions(axes: Axes, classes: tuple[Beside, Beside], name: str) -> None:
    for one, (label, colour, _), style in zip(classes, _CLASSES, STYLES, strict=False):
        ours, *_ = one.densities()
        text = f"{label}, {shown(name)}"
        axes.stairs(ours, one.edges, color=colour, linestyle=style, label=text)


def _real(axes: Axes, classes: tuple[Beside, Beside]) -> None:
    for one, (label, colour, marker) in zip(classes, _CLASSES, strict=True):
        _, found, error = one.densities()
        axes.errorbar(
            (one.edges[1:] + one.edges[:-1]) / 2,
            found,
            yerr=error,
            color=colour,
            linestyle="",
            linewidth=1.2,
            marker=marker,
            markersize=3.5,
            markerfacecolor="white" if label == "signal" else colour,
            label=f"{label}, real",
        )


def _pulls(axes: Axes, classes: tuple[Beside, Beside]) -> None:
    axes.axhspan(-2, 2, color="0.9", linewidth=0)
    axes.axhline(0, color=GREY, linewidth=0.8)
    for one, (label, colour, marker) in zip(classes, _CLASSES, strict=True):
        axes.plot(
            (one.edges[1:] + one.edges[:-1]) / 2,
            np.clip(one.pulls(), -_LIMIT + 0.3, _LIMIT - 0.3),
            color=colour,
            linestyle="",
            marker=marker,
            markersize=3,
            markerfacecolor="white" if label == "signal" else colour,
        )
    axes.set_ylim(-_LIMIT, _LIMIT)
    axes.set_yticks([-4, 0, 4])


def _frame(upper: Axes, lower: Axes, feature: str, *, first: bool) -> None:
    unit = UNITS[feature].name
    lower.set_xlabel(f"{feature} [{unit}]" if unit else feature, fontsize=_LETTERS + 1, labelpad=2)
    lower.tick_params(labelsize=_LETTERS - 1)
    upper.tick_params(labelbottom=upper is lower, labelleft=False)
    lower.xaxis.set_major_locator(MaxNLocator(5))
    for axes in (upper, lower):
        axes.minorticks_off()  # there would be a thousand of them
        axes.tick_params(length=4)
    upper.set_yticks([])
    if first:
        lower.set_ylabel("pull", fontsize=_LETTERS, labelpad=1)
        upper.set_ylabel("density", fontsize=_LETTERS)


def _legend(figure: Figure, ours: int, real: Mapping[str, EventBatch] | None) -> None:
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper left", ncols=4, bbox_to_anchor=(0.01, 1))
    text = f"{ours:,} events{_beside(real)}"
    figure.text(0.024, 1 - 0.55 / figure.get_figheight(), text, va="center", fontsize=SMALL)


def _beside(real: Mapping[str, EventBatch] | None) -> str:
    """What the events stand beside, and why they do not."""
    if real is None:
        return ", alone: the real ones to compare with may be among them"
    most = max(map(len, real.values()))
    few = [name for name in FEATURES if len(real[name]) < most]
    of_few = f" ({len(real[few[0]]):,} of {', '.join(few)})" if few else ""
    return f" beside {most:,} real ones{of_few}"
