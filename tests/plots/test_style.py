"""Figures share one style, and nothing else in the process has it."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import matplotlib as mpl
import pytest
from matplotlib import pyplot
from plots.looking import LONG, check_readable, png, tally_of

from susystream.plots.chain import forgetting_figure
from susystream.plots.frame import blank
from susystream.plots.scores import score_figure
from susystream.plots.style import STYLES, Figure, _styled, shown, styled


def a_figure(value: float = 0.85) -> Figure:
    return forgetting_figure(test=[0.84, value], own=[0.83, 0.85], first=[0.83, 0.82])


def test_drawing_leaves_no_setting_and_no_figure_behind() -> None:
    with mpl.rc_context({"font.size": 3, "axes.labelsize": 40}):
        before = dict(mpl.rcParams)
        picture = png(a_figure())
        assert dict(mpl.rcParams) == before
    assert pyplot.get_fignums() == []
    assert png(a_figure()) == picture, "somebody's own settings reached the picture"


def test_threads_draw_at_once_what_one_draws_alone() -> None:
    values = [0.80 + 0.01 * number for number in range(8)]
    alone = [png(a_figure(value)) for value in values]
    before = dict(mpl.rcParams)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda value: png(a_figure(value)), values)) == alone
    assert dict(mpl.rcParams) == before


def test_an_error_while_drawing_leaves_no_setting_behind() -> None:
    @styled
    def broken() -> Figure:
        raise ZeroDivisionError

    before = dict(mpl.rcParams)
    with pytest.raises(ZeroDivisionError):
        broken()
    assert dict(mpl.rcParams) == before


def test_a_picture_needs_no_display_even_where_a_window_is_wished_for() -> None:
    code = """
import io
from susystream.plots.chain import forgetting_figure
found = io.BytesIO()
forgetting_figure(test=[0.8], own=[0.8], first=[0.8]).savefig(found)
print(found.getvalue()[1:4].decode())
"""
    without = {k: v for k, v in os.environ.items() if k not in {"DISPLAY", "WAYLAND_DISPLAY"}}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=without | {"MPLBACKEND": "TkAgg"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.stdout.strip(), done.stderr) == ("PNG", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("toy_large", "toy_large"),
        (LONG, "a-name-that-so…holds.parquet"),
        ("$x_1$", r"\$x_1\$"),
        (r"a\b", "a/b"),
        ("_hidden", " _hidden"),
        ("two\nlines", "two lines"),
        ("Δφ ± 日本", "Δφ ± ??"),
    ],
)
def test_any_name_can_be_shown(text: str, expected: str) -> None:
    assert shown(text) == expected
    check_readable(score_figure(text, tally_of(100), auc=0.5))


@pytest.mark.parametrize("longest", [10, 11, 28])
def test_a_shortened_name_has_as_many_letters_as_it_may(longest: int) -> None:
    assert len(shown(LONG, longest=longest)) == longest


def test_a_legend_shows_each_dash_twice() -> None:
    with _styled():
        handle = mpl.rcParams["legend.handlelength"] * mpl.rcParams["legend.fontsize"]
        width = mpl.rcParams["lines.linewidth"]
    assert all(handle >= 1.9 * width * sum(one[1]) for one in STYLES if not isinstance(one, str))


@styled
def crowded() -> Figure:
    figure, axes = blank("x", "y")
    axes.text(0.5, 0.5, "one text")
    axes.text(0.51, 0.5, "another")
    return figure


@styled
def too_wide() -> Figure:
    figure, axes = blank("x", "y")
    axes.text(0.9, 0.5, "a text that goes on and on")
    return figure


def test_the_check_of_the_other_tests_sees_what_is_unreadable() -> None:
    with pytest.raises(AssertionError, match="'one text' on 'another'"):
        check_readable(crowded())
    with pytest.raises(AssertionError, match="leaves the figure"):
        check_readable(too_wide())
