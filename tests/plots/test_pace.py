"""Speed and memory are those of this run."""

from __future__ import annotations

import numpy as np
from matplotlib.patches import StepPatch
from plots.looking import LONG, check_readable

from susystream.plots.pace import Moment, joined, last_speed, pace_figure


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


def test_windows_that_end_at_once_after_a_stall_are_no_burst_of_speed() -> None:
    ends = [0.0, 1.0, 2.0, 5.5, 5.56, 6.6, 7.6, 7.7]
    scan: list[Moment] = [(end, 10**6 * number, 2**30) for number, end in enumerate(ends)]
    assert [one[0] for one in joined(scan)] == [0.0, 1.0, 2.0, 5.56, 6.6, 7.7]
    (steps,) = pace_figure("big", scan).axes[0].patches
    assert isinstance(steps, StepPatch)
    speeds = np.asarray(steps.get_data()[0])
    np.testing.assert_allclose(speeds, [1, 1, 2 / 3.56, 1 / 1.04, 2 / 1.1])
    tracked = [last_speed(scan[:number]) / 1e6 for number in range(2, len(scan) + 1)]
    np.testing.assert_allclose(tracked, [1, 1, 1 / 3.5, 2 / 3.56, 1 / 1.04, 1, 2 / 1.1])


def test_windows_of_a_moment_each_give_a_speed_every_half_second() -> None:
    quick: list[Moment] = [(0.125 * number, 1000 * number, 2**20) for number in range(20)]
    assert [one[0] for one in joined(quick)] == [0, 0.5, 1.0, 1.5, 2.375]
    assert {last_speed(quick[:number]) for number in range(2, 21)} == {8000}
