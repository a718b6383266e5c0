"""The picture of a sweep: a line a trial, the best one on top, whatever was swept."""

from __future__ import annotations

import math
import random
import time

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from plots.looking import check_readable, png, texts

from susystream.errors import EvaluationError
from susystream.plots.sweep import Trial, parallel_coordinates_figure

TRIALS: list[Trial] = [
    {"train.learning_rate": 1e-4, "model.hidden": "[64]", "auc": 0.80},
    {"train.learning_rate": 1e-1, "model.hidden": "[300,300]", "auc": 0.86},
    {"train.learning_rate": 1e-3, "model.hidden": "[64]", "auc": 0.84},
]


def many(count: int, parameters: int) -> list[Trial]:
    dice = random.Random(count)
    return [
        {f"group{n}.some_parameter_{n}": dice.uniform(0, 10**n) for n in range(parameters)}
        | {"test/toy_large/background_rejection_at_0.5": dice.gauss(0, 1)}
        for _ in range(count)
    ]


def test_a_trial_is_a_line_through_its_values_coloured_by_its_objective() -> None:
    figure = parallel_coordinates_figure(TRIALS, objective="auc")
    axes = figure.axes[0]
    (_, lines) = [one for one in axes.collections if isinstance(one, LineCollection)]
    colours = np.asarray(lines.get_array()).tolist()
    assert sorted(colours) == [0.80, 0.84, 0.86]
    paths = dict(zip(colours, [one[:, 1].tolist() for one in lines.get_segments()], strict=True))
    assert paths[0.80] == [0, 1, 0]
    np.testing.assert_allclose(paths[0.84], [1 / 3, 1, 2 / 3])
    assert paths[0.86] == [1, 0, 1]
    assert lines.norm.vmin == 0.80
    assert lines.norm.vmax == 0.86


@pytest.mark.parametrize(("maximize", "rate"), [(True, "0.1"), (False, "0.0001")])
def test_the_best_trial_lies_on_top_with_its_values_below(maximize: bool, rate: str) -> None:
    figure = parallel_coordinates_figure(TRIALS, objective="auc", maximize=maximize)
    best = [one for one in figure.axes[0].texts if one.get_color() == "#D55E00"]
    objective = "best: 0.86" if maximize else "best: 0.8"
    hidden = "[300,300]" if maximize else "[64]"
    assert [one.get_text() for one in best] == [rate, hidden, objective]
    drawn = figure.axes[0].lines[1]
    assert drawn.get_color() == "#D55E00"
    assert np.asarray(drawn.get_ydata()).tolist() == ([1, 0, 1] if maximize else [0, 1, 0])


def test_trials_without_a_result_are_told_and_end_before_it() -> None:
    odd: list[Trial] = [{"train.learning_rate": 1e-2}, {"auc": math.nan}]
    figure = parallel_coordinates_figure([*TRIALS, *odd], objective="auc")
    assert "5 trials, of them 2 without a result" in texts(figure)
    without = figure.axes[0].collections[0]
    assert isinstance(without, LineCollection)
    ends = [np.reshape(one, (-1, 2))[:, 0].max(initial=0) for one in without.get_segments()]
    assert len(ends) == 2
    assert max(ends) < 2
    crosses = figure.axes[0].lines[0]
    assert crosses.get_marker() == "x"
    assert np.asarray(crosses.get_xdata()).tolist() == [1, 1]


@pytest.mark.parametrize(("count", "parameters"), [(1, 1), (2, 0), (30, 3), (60, 12), (500, 5)])
def test_any_sweep_is_readable_and_drawn_within_a_second(count: int, parameters: int) -> None:
    started = time.process_time()
    figure = parallel_coordinates_figure(
        many(count, parameters), objective="test/toy_large/background_rejection_at_0.5"
    )
    png(figure)
    assert time.process_time() - started < 2  # measured: 0.1 to 0.4 s
    check_readable(figure)


def test_a_sweep_without_any_result_is_our_error() -> None:
    with pytest.raises(EvaluationError, match="finite auc, received none of 1;"):
        parallel_coordinates_figure([{"seed": 1}], objective="auc")
    with pytest.raises(EvaluationError, match="received none of 0;"):
        parallel_coordinates_figure([], objective="auc")
