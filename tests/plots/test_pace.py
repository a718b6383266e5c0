"""Speed and memory are those of this run."""

from __future__ import annotations

import numpy as np
from matplotlib.patches import StepPatch
from plots.looking import LONG, check_readable

from susystream.plots.pace import pace_figure


def test_the_pace_is_drawn_from_the_first_row_of_this_run() -> None:
    figure = pace_figure("big", [(10.0, 500, 2**30), (11.0, 1500, 2**31), (13.0, 2500, 2**31)])
    speed, memory = figure.axes
    (steps,) = speed.patches
    assert isinstance(steps, StepPatch)
    assert (np.asarray(steps.get_data()[0]) * 1e6).tolist() == [1000, 500]
    assert memory.lines[0].get_xdata().tolist() == [0, 1, 3]  # type: ignore[union-attr]
    assert memory.lines[0].get_ydata().tolist() == [1, 2, 2]  # type: ignore[union-attr]
    assert (speed.get_title("left"), speed.get_title("right")) == ("big", "2,000 rows in 3.0 s")


def test_a_scan_of_no_time_and_one_of_days_are_readable() -> None:
    check_readable(pace_figure(LONG, [(1.0, 0, 2**20), (1.0, 5, 2**20)]))
    days = [(3600.0 * hour, 10**9 * hour, 2**33) for hour in range(100)]
    check_readable(pace_figure("days", days))
