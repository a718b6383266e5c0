"""Results side by side: values with their errors, and values that depend on something.

In: plain numbers. Out: figures for the report of an experiment.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from susystream.errors import EvaluationError
from susystream.plots.digits import places
from susystream.plots.frame import BOTTOM, LEFT, RIGHT, TOP, WIDTH, blank, placed
from susystream.plots.listing import ROW, Row, show_rows
from susystream.plots.style import (
    BLUE,
    COLOURS,
    GREY,
    MARKERS,
    STYLES,
    Figure,
    Picture,
    shown,
    styled,
)

_FEW = 8  # values that are ticks of their own


@styled
def comparison_figure(
    rows: Sequence[tuple[str, float, float]],
    *,
    quantity: str,
    reference: Sequence[tuple[str, float]] = (),
) -> Figure:
    """Values with error bars, one below the other, and lines of reference through all of them.

    Args:
        rows: (name, value, standard error), at least one; 0 or NaN is an unknown error.
        quantity: What the values are, for their axis.
        reference: (name, value) of dashed lines.

    Raises:
        EvaluationError: There is no finite value.
    """
    if not any(math.isfinite(value) for _, value, _ in rows):
        raise EvaluationError(
            f"expected values of {quantity} to compare, received none; give one that is finite"
        )
    shown_places = places([error for *_, error in rows], [value for _, value, _ in rows])
    listed = [_row(one, shown_places) for one in rows]
    listed += [Row(name, value, number=f"{value:,.{shown_places}f}") for name, value in reference]
    figure = Picture(WIDTH, TOP / 2 + len(listed) * ROW + BOTTOM)
    size = (WIDTH - LEFT / 2 - RIGHT, len(listed) * ROW)
    axes = placed(figure, left=LEFT / 2, below=TOP / 2, size=size)
    for name, value in reference:
        axes.axvline(value, color=GREY, linestyle="--", linewidth=1, label=shown(name))
    show_rows(axes, listed, x=shown(quantity, longest=60))
    return figure


@styled
def grouped_figure(
    groups: Mapping[str, Sequence[tuple[str, float, float | None]]],
    *,
    quantity: str,
    log: bool = False,
) -> Figure:
    """Values below the heading of their group; those of one name look alike in every group.

    Args:
        groups: (name, value, standard error) by the group's heading; None instead of an error is a
            value that others found, in grey.
        quantity: What the values are, for their axis.
        log: Whether the axis is logarithmic, for positive values.

    Raises:
        EvaluationError: There is no finite value, or on such an axis one that is not positive.
    """
    flat = [one for rows in groups.values() for one in rows]
    if not any(math.isfinite(value) for _, value, _ in flat):
        raise EvaluationError(
            f"expected values of {quantity} to compare, received none; give one that is finite"
        )
    errors = [max((error or 0.0 for *_, error in flat), default=0.0)]  # one form for all numbers
    form = ".3g" if log else f".{places(errors, [value for _, value, _ in flat])}f"
    names = list(dict.fromkeys(name for name, _, error in flat if error is not None))
    listed: list[Row] = []
    for heading, rows in groups.items():
        listed.append(Row(shown(heading, longest=60), colour="black"))
        listed += [_inset(one, names, form) for one in rows]
    size = (WIDTH - LEFT / 2 - RIGHT, len(listed) * ROW)
    figure = Picture(WIDTH, TOP / 2 + size[1] + BOTTOM)
    axes = placed(figure, left=LEFT / 2, below=TOP / 2, size=size)
    show_rows(axes, listed, x=shown(quantity, longest=60), log=log)
    return figure


@styled
def curve_figure(
    lines: Mapping[str, Sequence[tuple[float, float, float]]],
    *,
    x: str,
    y: str,
    log_x: bool = False,
) -> Figure:
    """Values over something that was varied, a line for each name.

    Args:
        lines: (x, y, standard error) of each point, in any order; 0 or NaN is an unknown error.
            The name of a single one is not shown.
        x: Label, with its unit.
        y: The same.
        log_x: Whether x is drawn to a logarithmic scale.

    Raises:
        EvaluationError: There is no point.
    """
    if not any(lines.values()):
        raise EvaluationError(f"expected points of {y} over {x}, received none; give at least one")
    figure, axes = blank(shown(x, longest=60), shown(y, longest=45))
    for number, (name, points) in enumerate(lines.items()):
        at, value, error = np.array(sorted(points), np.float64).reshape(-1, 3).T
        axes.errorbar(
            at,
            value,
            yerr=np.nan_to_num(error),
            color=COLOURS[number % len(COLOURS)],
            linestyle=STYLES[number % len(STYLES)],
            marker=MARKERS[number % len(MARKERS)],
            label=shown(name),
        )
    if log_x:
        axes.set_xscale("log")
        _ticks_at_points(axes, [at for points in lines.values() for at, *_ in points])
    axes.margins(0.06)
    if len(lines) > 1:
        axes.legend(loc="best")
    return figure


def _ticks_at_points(axes: Axes, values: Sequence[float]) -> None:
    """Powers of ten say little of a few values."""
    found = sorted(set(values))
    if len(found) <= _FEW:
        axes.set_xticks(found, [f"{one:.6g}" for one in found])
        axes.xaxis.set_minor_locator(NullLocator())


def _inset(one: tuple[str, float, float | None], names: Sequence[str], form: str) -> Row:
    name, value, error = one
    number = f"{value:,{form}}" if math.isfinite(value) else "none"
    if error is None:
        return Row(name, value, number=number, inset=True)
    known = math.isfinite(error) and error > 0
    number += f" ± {error:,{form}}" if known else ""
    at = names.index(name)
    look = (COLOURS[at % len(COLOURS)], MARKERS[at % len(MARKERS)])
    return Row(name, value, error if known else 0.0, number, *look, inset=True)


def _row(one: tuple[str, float, float], shown_places: int) -> Row:
    name, value, error = one
    known = math.isfinite(error) and error > 0
    number = f"{value:,.{shown_places}f}" if math.isfinite(value) else "none"
    number += f" ± {error:,.{shown_places}f}" if known else ""
    return Row(name, value, error if known else 0.0, number, BLUE, "o")
