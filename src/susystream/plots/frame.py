"""Empty figures: axes with their labels, one above the other where several are wanted.

In: labels and heights. Out: a figure and its axes, to draw into.
Everything has its fixed place in inches: matplotlib's own search for room takes as long as the
drawing, and letters of one size need the same room in every figure.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator

from susystream.plots.style import GREY, Figure, Picture

WIDTH, HEIGHT = 7.2, 4.9  # inches: as wide as MLflow shows it beside its list of files
LEFT, RIGHT, TOP, BOTTOM = 1.05, 0.25, 0.42, 0.72  # margins, in inches, for ticks and labels
GAP = 0.14  # inches, between axes with one x axis
_Y_LABEL, _X_LABEL = 0.74, 0.36  # inches, from the axes to their labels


def blank(x: str, y: str, *, height: float = HEIGHT, right: float = RIGHT) -> tuple[Figure, Axes]:
    """A figure of one set of axes; `height` and the margin at the right are in inches."""
    figure, (axes,) = stacked(x, [y], heights=[height], right=right)
    return figure, axes


def stacked(
    x: str,
    ys: Sequence[str],
    *,
    heights: Sequence[float],
    right: float = RIGHT,
    centred: bool = False,
) -> tuple[Figure, list[Axes]]:
    """Axes one above the other with one x axis, labelled at the lowest.

    Args:
        x: Label of the x axis.
        ys: Labels of the y axes, the uppermost first.
        heights: Of the axes, in inches.
        right: Margin, in inches.
        centred: Whether the labels of the y axes are, where one is as long as its axis: at the
            tops they would read as one.
    """
    figure = Picture(WIDTH, TOP + sum(heights) + GAP * (len(heights) - 1) + BOTTOM)
    below = TOP  # inches from the figure's top to that of the next axes
    found: list[Axes] = []
    for y, height in zip(ys, heights, strict=True):
        axes = placed(figure, left=LEFT, below=below, size=(WIDTH - LEFT - right, height))
        if found:
            axes.sharex(found[0])
        label(axes, y=y, centred=centred)
        faint_grid(axes)
        found.append(axes)
        below += height + GAP
    for axes in found[:-1]:
        axes.tick_params(axis="x", labelbottom=False)
    label(found[-1], x=x)
    return figure, found


def placed(figure: Figure, *, left: float, below: float, size: tuple[float, float]) -> Axes:
    """New axes, in inches: from the figure's left, from its top, and (width, height)."""
    width, height = figure.get_size_inches()
    bottom = height - below - size[1]
    return figure.add_axes(
        (left / width, bottom / height, size[0] / width, size[1] / height),
    )


def label(axes: Axes, *, x: str = "", y: str = "", centred: bool = False) -> None:
    """Labels at a fixed distance, whatever the ticks say; those of stacked axes are in line."""
    box = axes.get_position()
    width, height = axes.get_figure(root=True).get_size_inches() * (box.width, box.height)  # type: ignore[union-attr]
    if x:
        axes.set_xlabel(x)
        axes.xaxis.set_label_coords(1, -_X_LABEL / height)
        axes.xaxis.get_offset_text().set(x=0, ha="left")  # a common power of ten, not on the label
    if y:
        axes.set_ylabel(y, loc="center" if centred else None)
        axes.yaxis.set_label_coords(-_Y_LABEL / width, 0.5 if centred else 1)


def heading(axes: Axes, left: str, right: str = "") -> None:
    """What a figure is of, above it: the name at the left, the numbers at the right."""
    axes.set_title(left, loc="left", fontweight="bold", y=1.0)
    if right:
        axes.set_title(right, loc="right", y=1.0)


def whole_numbers(axes: Axes) -> None:
    """Ticks of the x axis at whole numbers only."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.xaxis.set_minor_locator(NullLocator())


def faint_grid(axes: Axes) -> None:
    """Lines to read values by, behind everything."""
    axes.grid(color=GREY, alpha=0.35, linestyle=":", linewidth=0.8)
