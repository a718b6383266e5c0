"""Results side by side say their value, their error and what they are compared with."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import pytest
from plots.looking import LONG, check_readable, legend_of, texts

from susystream.errors import EvaluationError
from susystream.plots.comparison import comparison_figure, curve_figure, grouped_figure
from susystream.plots.style import GREY

Groups: TypeAlias = dict[str, list[tuple[str, float, float | None]]]
ROWS = [("low-level", 0.8612, 0.0011), ("high-level", 0.8533, 0.0012), ("unknown", 0.86, 0.0)]


def test_values_stand_with_their_errors_and_lines_of_reference() -> None:
    figure = comparison_figure(ROWS, quantity="AUC", reference=[("deep network", 0.876)])
    said = texts(figure)
    for text in ("low-level", "0.8612 ± 0.0011", "0.8533 ± 0.0012", "0.8600", "0.8760", "AUC"):
        assert text in said
    (axes,) = figure.axes
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert [np.asarray(line.get_xdata()).tolist() for line in dashed] == [[0.876, 0.876]]
    (first, *_) = axes.containers
    ends = first[2][0].get_segments()[0][:, 0]
    np.testing.assert_allclose(ends, [0.8601, 0.8623])


@pytest.mark.parametrize(
    "rows",
    [
        [(LONG, 123456.7, 0.0)],
        [("a", 0.0, 0.0), ("b", math.nan, math.nan)],
        [(f"{LONG}{n}", 0.5 + 0.01 * n, 0.02) for n in range(25)],
        [("tiny", 1e-9, 1e-11), ("large", 1e9, math.nan)],
    ],
)
def test_any_values_are_readable(rows: list[tuple[str, float, float]]) -> None:
    check_readable(comparison_figure(rows, quantity="rows / s", reference=[(LONG, 1.0)]))


def test_groups_stand_below_their_headings_and_what_others_found_is_grey() -> None:
    groups: Groups = {
        "low-level": [("toy", 0.8547, 0.0004), ("real", 0.82, 0.0041), ("paper", 0.85, None)],
        "all": [("real", 0.8231, 0.0041)],
    }
    figure = grouped_figure(groups, quantity="AUC")
    said = texts(figure)
    for text in ("low-level", "all", "0.8547 ± 0.0004", "0.8200 ± 0.0041", "0.8500"):
        assert text in said
    (axes,) = figure.axes
    toy, real, other = (container[0].get_color() for container in axes.containers)
    assert toy != real == other  # those of one name look alike
    bold = [one.get_text() for one in axes.texts if one.get_fontweight() == "bold"]
    assert bold == ["low-level", "all"]
    grey = [one.get_text() for one in axes.texts if one.get_color() == GREY]
    assert grey == ["paper", "0.8500"]
    check_readable(figure)


def test_a_logarithmic_axis_holds_all_values() -> None:
    groups: Groups = {LONG: [("a", 0.1, 0.0), (LONG, 104.0, None)], "b": [("a", 7.0, math.nan)]}
    figure = grouped_figure(groups, quantity="seconds", log=True)
    (axes,) = figure.axes
    low, high = axes.get_xlim()
    assert axes.get_xscale() == "log"
    assert low < 0.1 < 104 < high
    check_readable(figure)


def test_curves_are_drawn_in_the_order_of_x_with_their_errors() -> None:
    figure = curve_figure(
        {"toy": [(100, 0.8, 0.01), (10, 0.7, 0.02)], "real": [(10, 0.6, math.nan)]},
        x="training events",
        y="AUC",
        log_x=True,
    )
    (axes,) = figure.axes
    toy, real = axes.containers
    assert np.asarray(toy[0].get_xdata()).tolist() == [10, 100]
    assert np.asarray(toy[0].get_ydata()).tolist() == [0.7, 0.8]
    np.testing.assert_allclose(toy[2][0].get_segments()[0][:, 1], [0.68, 0.72])
    assert np.asarray(real[0].get_ydata()).tolist() == [0.6]
    assert (axes.get_xscale(), axes.get_xlabel(), axes.get_ylabel()) == (
        "log",
        "training events",
        "AUC",
    )
    assert legend_of(axes) == ["toy", "real"]
    check_readable(figure)


def test_a_few_values_of_a_logarithmic_axis_are_its_ticks() -> None:
    figure = curve_figure({"a": [(8, 0.8, 0), (256, 0.9, 0)]}, x="units", y="AUC", log_x=True)
    (axes,) = figure.axes
    assert {"8", "256"} <= set(texts(figure))
    assert axes.get_legend() is None
    check_readable(figure)


def test_nothing_to_compare_is_our_error() -> None:
    with pytest.raises(EvaluationError, match="values of AUC to compare"):
        comparison_figure([("x", math.nan, 0)], quantity="AUC")
    with pytest.raises(EvaluationError, match="points of AUC over seed"):
        curve_figure({"toy": []}, x="seed", y="AUC")
    with pytest.raises(EvaluationError, match="values of AUC to compare"):
        grouped_figure({"x": []}, quantity="AUC")
