"""What the trials of a sweep were set to, and what came of it.

In: parameters and objective of each trial. Out: a figure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize

from susystream.errors import EvaluationError
from susystream.evaluate.bins import Float64Array
from susystream.plots.frame import WIDTH, placed
from susystream.plots.scale import Scale, scale_of, text_of
from susystream.plots.style import FONT, SMALL, VERMILION, Figure, Picture, shown, styled

Trial = Mapping[str, float | str]
_STEP = 1.65  # inches, between two scales: as wide as a name
_LEFT, _RIGHT, _BOTTOM, _HEIGHT = 0.85, 1.35, 0.55, 3.6  # inches
_TOP, _LINE = 0.68, 0.2  # inches, above the scales without a name, and for each line of one
_BAR = 0.16  # inches, width of the colour bar, which is the objective's scale
_COLOURS = "cividis"  # rises in lightness for every kind of colour vision
_LONGEST, _LINES = 19, 3  # letters of a line of a parameter's name, and lines


@styled
def parallel_coordinates_figure(
    trials: Sequence[Trial],
    *,
    objective: str,
    maximize: bool = True,
    without: Mapping[str, int] = MappingProxyType({}),
) -> Figure:
    """A line a trial through its parameters to its objective, which is its colour.

    Numbers that span more than two decades are drawn to a logarithmic scale, texts in plain
    order. The best trial lies on top, and its values stand below. Trials without a finite
    objective (failed, pruned) are dotted and end before it, at a cross.

    Args:
        trials: Of each, the swept parameters by name, and the objective by its own.
        objective: Its name.
        maximize: Whether the largest one is the best, not the smallest.
        without: How many have no finite objective, by what became of them, if that is known.

    Raises:
        EvaluationError: No trial has a finite objective.
    """
    figures = np.array([_number(one.get(objective)) for one in trials], np.float64)
    if not np.isfinite(figures).any():
        raise EvaluationError(
            f"expected a trial with a finite {objective}, received none of {len(trials)}; "
            "draw the sweep when one has ended"
        )
    best = int(np.nanargmax(figures) if maximize else np.nanargmin(figures))
    names = list(dict.fromkeys(name for one in trials for name in one if name != objective))
    scales = [scale_of([one.get(name) for one in trials]) for name in names]
    scales.append(scale_of(figures.tolist()))
    titles = [_wrapped(name) for name in (*names, objective)]
    figure, axes = _blank(len(names), lines=max(one.count("\n") + 1 for one in titles))
    _lines(axes, scales, figures, best)
    for at, (name, scale) in enumerate(zip(names, scales, strict=False)):
        _parameter(axes, at, titles[at], scale, text_of(trials[best].get(name, "")))
    _objective(figure, axes, titles[-1], scales[-1], figures[best])
    unknown = len(figures) - int(np.isfinite(figures).sum())
    _heading(figure, len(figures), without or {"without a result": unknown})
    return figure


def _number(value: float | str | None) -> float:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else math.nan


def _blank(parameters: int, *, lines: int) -> tuple[Figure, Axes]:
    width, top = max(_LEFT + _STEP * parameters + _RIGHT, WIDTH), _TOP + _LINE * lines
    figure = Picture(width, top + _HEIGHT + _BOTTOM)
    axes = placed(figure, left=_LEFT, below=top, size=(width - _LEFT - _RIGHT, _HEIGHT))
    axes.set(xlim=(0, max(parameters, 1)), ylim=(-0.03, 1.03))
    axes.set_axis_off()
    return figure, axes


def _lines(axes: Axes, scales: Sequence[Scale], figures: Float64Array, best: int) -> None:
    """The worst lie deepest."""
    across = np.arange(len(scales), dtype=np.float64)
    if len(scales) == 1:
        return  # nothing was varied: the objective's scale says it all
    heights = np.stack([one.places for one in scales], axis=1)
    paths = np.stack([np.broadcast_to(across, heights.shape), heights], axis=2)
    without = paths[~np.isfinite(figures)]
    axes.add_collection(LineCollection(list(without), colors="0.6", linestyles=":", linewidths=1))
    if len(without):  # of a single parameter there is no line
        axes.plot(*without[:, -2].T, color="0.6", linestyle="", marker="x", markersize=6)
    order = np.argsort(np.abs(figures - figures[best]))[::-1]
    order = order[np.isfinite(figures[order])]
    crowd = min(1.0, max(30 / len(order), 0.35))  # of many lines each lets others shine through
    lines = LineCollection(list(paths[order]), cmap=_COLOURS, alpha=crowd, linewidths=1.2 + crowd)
    lines.set(array=figures[order], norm=_norm(scales[-1]))
    axes.add_collection(lines)
    axes.plot(*paths[best].T, color="white", linewidth=5.5)
    best_line = axes.plot(*paths[best].T, color=VERMILION, linewidth=3, marker="o", markersize=6)
    best_line[0].set_clip_on(False)  # its dots stand on the outer scales


def _norm(scale: Scale) -> Normalize:
    """Equal colours at equal heights, whatever the scale."""
    if scale.low == scale.high:
        return Normalize(scale.low - 1e-3, scale.high + 1e-3)
    return (LogNorm if scale.is_log else Normalize)(scale.low, scale.high)


def _parameter(axes: Axes, at: int, title: str, scale: Scale, best: str) -> None:
    axes.plot([at, at], [0, 1], color="black", linewidth=1.2, clip_on=False)
    behind = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1}
    for place, text in scale.ticks:
        axes.plot(at, place, color="black", marker="_", markersize=8, clip_on=False)
        axes.annotate(
            text,
            (at, place),
            xytext=(-6, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=SMALL - 2,
            bbox=behind,
        )
    axes.text(at, 1.06, title, ha="center", va="bottom", fontsize=SMALL)
    shown_best = shown(best, longest=14)
    axes.text(at, -0.06, shown_best, ha="center", va="top", color=VERMILION, fontsize=SMALL)


def _wrapped(name: str) -> str:
    """A long name on up to three lines, broken behind its dots, strokes and slashes."""
    lines = [""]
    for piece in re.split(r"(?<=[./_])", " ".join(name.split())):
        if lines[-1] and len(lines[-1]) + len(piece) > _LONGEST:
            lines.append("")
        lines[-1] += piece
    if len(lines) > _LINES:
        lines = [lines[0], "…", *lines[2 - _LINES :]]
    return "\n".join(shown(line, longest=_LONGEST) for line in lines)


def _objective(figure: Figure, axes: Axes, title: str, scale: Scale, best: float) -> None:
    """The colour bar, where the lines end: at equal heights."""
    box, (low, high) = axes.get_position(), axes.get_ylim()
    height = box.height / (high - low)  # from 0 to 1
    place = (box.x1, box.y0 - low * height, _BAR / figure.get_figwidth(), height)
    bar = figure.add_axes(place, zorder=axes.get_zorder() - 1)  # below the best trial's last dot
    figure.colorbar(ScalarMappable(_norm(scale), _COLOURS), cax=bar)
    bar.tick_params(labelsize=SMALL - 2, length=4, direction="out")
    bar.minorticks_off()
    if scale.low == scale.high:
        bar.set_yticks([scale.low])
    right = axes.get_xlim()[1]
    axes.text(right, 1.06, title, ha="center", va="bottom", fontsize=SMALL)
    text = f"best: {best:.5g}"
    axes.text(right, -0.06, text, ha="center", va="top", color=VERMILION, fontsize=SMALL)


def _heading(figure: Figure, trials: int, without: Mapping[str, int]) -> None:
    text = f"{trials:,} trials" if trials != 1 else "1 trial"
    told = ", ".join(f"{count:,} {state}" for state, count in without.items() if count)
    text += f", of them {told}" if told else ""
    figure.text(0.02, 1 - 0.12 / figure.get_figheight(), text, va="top", fontsize=FONT)
