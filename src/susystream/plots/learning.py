"""How a network learned.

In: the figures of each epoch. Out: a figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from susystream.evaluate.bins import Float64Array
from susystream.plots.digits import with_error
from susystream.plots.frame import heading, stacked, whole_numbers
from susystream.plots.style import BLUE, STYLES, VERMILION, Figure, shown, styled

_AREA, _ERROR = "validation/auc", "validation/auc_stderr"
_FEW = 40  # epochs whose points are told apart
_LOSS, _AUC, _ACCURACY = "loss, binary cross-entropy (nats)", "AUC", "accuracy"


@styled
def learning_figure(epochs: Sequence[Mapping[str, float]], *, title: str = "") -> Figure:
    """Loss, and below it AUC, over the epochs; without validation the accuracy takes its place.

    The training's figures are means over an epoch, while the weights change and dropout is on;
    those of the validation are of the weights after the epoch: they may well be the better ones.

    Args:
        epochs: Of each epoch, the first one first, at least one: `train/loss` and
            `train/accuracy`; with validation `validation/loss`, `validation/auc`, and
            `validation/auc_stderr` if that is known.
        title: What was trained.
    """
    validated = _AREA in epochs[0]
    figure, (upper, lower) = stacked(
        "epoch", [_LOSS, _AUC if validated else _ACCURACY], heights=(2.8, 2.4), centred=True
    )
    _line(upper, epochs, "train/loss", "training, mean over the epoch")
    if validated:
        _line(upper, epochs, "validation/loss", "validation, after the epoch")
        _line(lower, epochs, _AREA, "validation, after the epoch")
        _errors(lower, epochs)
        _best(lower, _column(epochs, _AREA), _column(epochs, _ERROR))
    else:
        _line(lower, epochs, "train/accuracy", "training, mean over the epoch")
    upper.set_xlim(0.5, len(epochs) + 0.5)
    whole_numbers(upper)
    upper.margins(y=0.15)
    upper.legend(loc="best")
    _room_below(lower)
    heading(upper, shown(title), "1 epoch" if len(epochs) == 1 else f"{len(epochs)} epochs")
    return figure


def _column(epochs: Sequence[Mapping[str, float]], name: str) -> Float64Array:
    return np.array([one.get(name, np.nan) for one in epochs], np.float64)


def _line(axes: Axes, epochs: Sequence[Mapping[str, float]], name: str, label: str) -> None:
    second = name.startswith("validation")
    axes.plot(
        np.arange(1, len(epochs) + 1),
        _column(epochs, name),
        color=VERMILION if second else BLUE,
        linestyle=STYLES[1 if second else 0],
        marker="s" if second else "o",
        markersize=5 if len(epochs) <= _FEW else 0,
        label=label,
    )


def _errors(axes: Axes, epochs: Sequence[Mapping[str, float]]) -> None:
    """Bars of one standard error."""
    area, error = _column(epochs, _AREA), _column(epochs, _ERROR)
    at = np.flatnonzero(np.isfinite(area) & np.isfinite(error))
    width = 1.4 if len(epochs) <= _FEW else 0.5
    axes.errorbar(at + 1, area[at], error[at], fmt="none", ecolor=VERMILION, elinewidth=width)


def _best(axes: Axes, auc: Float64Array, errors: Float64Array) -> None:
    """A ring around the best epoch."""
    if np.isnan(auc).all():
        return
    at = int(np.nanargmax(auc))
    known = np.isfinite(errors[at]) and errors[at] > 0
    text = with_error(auc[at], errors[at]) if known else f"{auc[at]:.4f}"
    axes.plot(
        at + 1,
        auc[at],
        color="black",
        linestyle="",
        marker="o",
        markersize=12,
        markerfacecolor="none",
        markeredgewidth=1.5,
        label=f"best: {text} in epoch {at + 1}",
    )


def _room_below(axes: Axes) -> None:
    """The legend stands below the curve and its bars, if any of them is a number."""
    low, high = axes.dataLim.intervaly
    span = max(high - low, 0.002)
    if np.isfinite([low, high]).all():
        axes.set_ylim(low - 0.5 * span, high + 0.15 * span)
    axes.legend(loc="lower right")
