"""What a chain forgot is what its test AUC lost."""

from __future__ import annotations

import numpy as np
import pytest
from plots.looking import check_readable, legend_of

from susystream.plots.chain import forgetting_figure


@pytest.mark.parametrize("steps", [1, 3])
def test_forgetting_lies_between_the_best_auc_so_far_and_the_last(steps: int) -> None:
    nan = [float("nan")] * steps
    figure = forgetting_figure(test=[0.8, 0.9, 0.85][:steps], own=nan, first=[0.7] * steps)
    lost = "0.0500" if steps == 3 else "0.0000"
    assert figure.axes[0].get_title("right") == f"forgetting {lost}"
    names = legend_of(figure.axes[0])
    assert "fixed test set" in names
    assert "validation part of the first data set" in names
    assert "validation part of its own data set" not in names
    check_readable(figure)


def test_the_model_that_a_chain_began_from_is_point_0() -> None:
    figure = forgetting_figure(test=[0.8, 0.9], own=[0.8, 0.9], first=[0.7, 0.8], begin=0)
    for line in figure.axes[0].lines:
        assert line.get_xdata().tolist() == [0, 1]  # type: ignore[union-attr]


def test_a_long_chain_is_readable() -> None:
    figures = [0.8 + 0.0001 * number for number in range(400)]
    check_readable(forgetting_figure(test=figures, own=figures, first=figures))


def test_an_auc_has_a_bar_where_its_error_is_known() -> None:
    nan = float("nan")
    errors = {"test": [0.001, 0.0005], "own": [nan, 0.01]}
    figure = forgetting_figure(test=[0.8, 0.9], own=[0.7, 0.75], first=[0.6, 0.6], errors=errors)
    bars = [container[2] for container in figure.axes[0].containers]
    ends = [[one[:, 1].tolist() for one in found[0].get_segments()] for found in bars if found]
    np.testing.assert_allclose(
        ends, [[[0.799, 0.801], [0.8995, 0.9005]], [[0.7] * 2, [0.74, 0.76]]]
    )
    assert figure.axes[0].get_title("left") == "AUC 0.90000 ± 0.00050 on the fixed test set"
    check_readable(figure)
