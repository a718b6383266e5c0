"""How fast a scan went, and the memory it took.

In: moments. Out: a figure, and speeds that a scan really had: windows that wait for a slow one are
finished together with it, and the time between them is no measure of anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from susystream.plots.frame import RIGHT, blank, heading
from susystream.plots.style import BLUE, STYLES, VERMILION, Figure, shown, styled

Moment: TypeAlias = tuple[float, int, int]  # seconds on some clock, rows so far, bytes in use
_SHORTEST = 0.5  # seconds between two moments that give a speed


@styled
def pace_figure(name: str, points: Sequence[Moment]) -> Figure:
    """Rows a second and memory over time, one step a window, if it took half a second.

    Args:
        name: Of the test set.
        points: At least two, in order.
    """
    kept = joined(points)
    seconds, rows, memory = (np.array(column, np.float64) for column in zip(*kept, strict=True))
    rates = np.diff(rows) / np.maximum(np.diff(seconds), 1e-9)
    figure, axes = blank("seconds", "speed, million rows / s", right=RIGHT + 0.65)
    axes.stairs(rates / 1e6, seconds - seconds[0], color=BLUE, linewidth=2, label="speed")
    axes.set_xlim(0, max(seconds[-1] - seconds[0], 0.001))
    axes.set_ylim(0, 1.3 * float(rates.max()) / 1e6)  # room for the legend
    axes.tick_params(axis="y", which="both", right=False)
    beside = axes.twinx()
    beside.plot(
        seconds - seconds[0],
        memory / 2**30,
        color=VERMILION,
        linestyle=STYLES[1],
        label="memory",
    )
    beside.set_ylabel("memory in use, GiB")
    beside.set_ylim(0, 1.6 * float(memory.max()) / 2**30)
    lines = [*axes.get_legend_handles_labels()[0], *beside.get_legend_handles_labels()[0]]
    beside.legend(lines, ["speed", "memory"], loc="upper center", ncols=2)
    took = f"{int(rows[-1] - rows[0]):,} rows in {seconds[-1] - seconds[0]:,.1f} s"
    heading(axes, shown(name), took)
    return figure


def joined(points: Sequence[Moment]) -> list[Moment]:
    """The first moment and the last one, and between them only such as lie half a second apart.

    Those that follow another one at once go with it, into the time before it.

    Args:
        points: At least two, in order.
    """
    kept, waiting = [points[0]], points[0]
    for one in points[1:]:
        if one[0] - kept[-1][0] >= _SHORTEST:
            if len(kept) > 1 and one[0] - waiting[0] >= _SHORTEST:
                kept[-1] = waiting
            kept.append(one)
        waiting = one
    if waiting is not kept[-1]:
        kept[1 if len(kept) == 1 else -1 :] = [waiting]
    return kept


def last_speed(points: Sequence[Moment]) -> float:
    """Rows a second up to the last moment: over half a second, or all the time if that is less.

    Args:
        points: At least two, in order.
    """
    now, rows, _ = points[-1]
    before = (one for one in reversed(points[:-1]) if now - one[0] >= _SHORTEST)
    then, done, _ = next(before, points[0])
    return (rows - done) / max(now - then, 1e-9)
