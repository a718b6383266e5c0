"""Values one below the other: name and number at the left, point with its error at the right.

In: rows. Out: them in given axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator, NullLocator

from susystream.errors import EvaluationError
from susystream.plots.frame import label
from susystream.plots.style import GREY, SMALL, shown

ROW = 0.27  # inches
_TEXT = 0.63  # of the width, for names and numbers
_LONGEST = 24  # letters of a name beside its number


@dataclass(frozen=True, slots=True)
class Row:
    """A value, or a heading over others.

    Attributes:
        name: Shown as it is or shortened; a heading is not shortened.
        value: NaN where there is none.
        error: Of one standard deviation; 0 where it is not known.
        number: The value as text; none for a heading.
        colour, marker: Of the point.
        inset: Whether the name stands below a heading.
    """

    name: str
    value: float = math.nan
    error: float = 0.0
    number: str = ""
    colour: str = GREY
    marker: str = ""
    inset: bool = False

    @property
    def is_reference(self) -> bool:
        """What others found: without error bar, in grey."""
        return self.colour == GREY


def show_rows(
    axes: Axes, rows: Sequence[Row], *, x: str, highest: float = math.inf, log: bool = False
) -> None:
    """Fills axes with rows, the first one on top.

    Args:
        axes: As high as `ROW` for each.
        rows: At least one with a value.
        x: Label of the values' axis.
        highest: The largest value there can be.
        log: Whether the axis is logarithmic.

    Raises:
        EvaluationError: It is, and some value is not positive.
    """
    values = [row.value for row in rows if math.isfinite(row.value)]
    if log and min(values) <= 0:
        raise EvaluationError(
            f"expected positive values of {x} on a logarithmic axis, received {min(values):g}; "
            "correct it"
        )
    for at, row in enumerate(rows):
        if math.isfinite(row.value):
            _point(axes, row, at)
        colour = GREY if row.is_reference else "black"
        name = shown(row.name, longest=_LONGEST) if row.number else row.name
        left = _say(axes, 0.045 if row.inset else 0.015, at, name, color=colour, ha="left")
        if not row.number and not row.is_reference:
            left.set_fontweight("bold")
        _say(axes, _TEXT - 0.025, at, row.number, color=colour, ha="right")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    if log:
        _frame_of_decades(axes, values)
    else:
        _frame(axes, highest)
    label(axes, x=x)


def _point(axes: Axes, row: Row, at: int) -> None:
    if row.is_reference:
        axes.plot(row.value, at, color=GREY, marker="d", markerfacecolor="white")
    else:
        error = row.error if math.isfinite(row.error) else 0.0
        axes.errorbar(row.value, at, xerr=error, color=row.colour, marker=row.marker)


def _say(axes: Axes, x: float, row: int, text: str, *, color: str, ha: str) -> Text:
    across = axes.get_yaxis_transform()  # x in shares of the width, y in rows
    return axes.text(
        x, row, text, transform=across, color=color, ha=ha, va="center", fontsize=SMALL
    )


def _frame(axes: Axes, highest: float) -> None:
    """What was drawn fills the part that the names leave free."""
    low, high = (float(one) for one in axes.dataLim.intervalx)
    span = 1.15 * max(high - low, 0.002 * abs(high), 1e-9)
    left, right = (low + high - span) / 2, (low + high + span) / 2
    ticks = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(left, right)
    inside = [float(one) for one in ticks if left <= one <= min(right, highest)]
    axes.set_xticks(inside, [f"{one:.6g}" for one in inside])
    axes.set_xlim(right - span / (1 - _TEXT), right)
    _only_values(axes)


def _frame_of_decades(axes: Axes, values: Sequence[float]) -> None:
    """The same to the logarithm, with a tick at each power of ten."""
    low, high = math.log10(min(values)), math.log10(max(values))
    span = 1.15 * max(high - low, 0.5)
    left, right = (low + high - span) / 2, (low + high + span) / 2
    powers = [10.0**one for one in range(math.ceil(left), math.floor(right) + 1)]
    axes.set_xscale("log")
    axes.set_xticks(powers, [f"{one:g}" for one in powers])
    axes.set_xlim(10 ** (right - span / (1 - _TEXT)), 10**right)
    _only_values(axes)


def _only_values(axes: Axes) -> None:
    axes.tick_params(axis="y", which="both", left=False, right=False, labelleft=False)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(axis="x", color=GREY, alpha=0.35, linestyle=":", linewidth=0.8)
