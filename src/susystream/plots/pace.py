"""How fast a scan went, and the memory it took.

In: moments. Out: a figure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from susystream.plots.frame import RIGHT, blank, heading
from susystream.plots.style import BLUE, STYLES, VERMILION, Figure, shown, styled


@styled
def pace_figure(name: str, points: Sequence[tuple[float, int, int]]) -> Figure:
    """Rows a second and memory over time, one step a window.

    Args:
        name: Of the test set.
        points: (seconds on some clock, rows so far, bytes in use), at least two, in order.
    """
    seconds, rows, memory = (np.array(column, np.float64) for column in zip(*points, strict=True))
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
