"""Figures can be drawn, are thin enough, and leave no global state."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import StepPatch

from susystream.errors import EvaluationError
from susystream.evaluate.metrics import curve, metrics
from susystream.evaluate.plots import (
    POINTS,
    forgetting_figure,
    pace_figure,
    roc_figure,
    score_figure,
    thinned,
)
from susystream.evaluate.tally import Tally

FIGURES = {name: {"auc": 0.5, "auc_stderr": 0.1} for name in ("toy", "one")}


def tally_of(rows: int, separation: float = 2.0) -> Tally:
    random = np.random.default_rng(3)
    labels = (random.random(rows) < 0.5).astype(np.uint8)
    logits = random.normal(size=rows) * 1.3 + separation * (labels - 0.5)
    return Tally.empty().update(logits.astype(np.float32), labels)


def test_the_roc_figure_names_every_set_its_auc_and_the_papers(tmp_path: Path) -> None:
    tallies = {"toy": tally_of(20_000), "real": tally_of(500, 1.0)}
    found = {name: metrics(tally) for name, tally in tallies.items()}
    figure = roc_figure(tallies, found)
    figure.savefig(tmp_path / "roc.png")
    legend = figure.axes[0].get_legend()
    assert legend is not None
    texts = [text.get_text() for text in legend.get_texts()]
    assert any(t.startswith(f"toy: AUC {found['toy']['auc']:.4f} ± ") for t in texts)
    assert any("0.876" in text for text in texts)
    assert figure.axes[0].get_xlabel()
    assert figure.axes[0].get_ylabel()
    assert (tmp_path / "roc.png").read_bytes()[:4] == b"\x89PNG"


def test_the_score_figure_has_both_classes_with_area_one(tmp_path: Path) -> None:
    figure = score_figure("toy", tally_of(20_000), auc=0.87654)
    assert figure.axes[0].get_title() == "toy: 20,000 events, AUC 0.8765"
    figure.savefig(tmp_path / "score.png")
    stairs = [patch.get_data() for patch in figure.axes[0].patches]  # type: ignore[attr-defined]
    assert len(stairs) == 2
    for data in stairs:
        assert (data.values * np.diff(data.edges)).sum() == pytest.approx(1)


def test_a_curve_is_thinned_without_losing_its_ends_or_area() -> None:
    full = curve(tally_of(100_000))
    thin = thinned(full)
    assert len(thin.signal) <= POINTS < len(full.signal)
    assert (thin.signal[0], thin.signal[-1]) == (0, 1)
    area = np.trapezoid if hasattr(np, "trapezoid") else np.trapz
    assert area(thin.signal, thin.background) == pytest.approx(
        area(full.signal, full.background), abs=1e-5
    )
    assert thinned(thin) is thin


def test_drawing_does_not_touch_pyplot() -> None:
    before = "matplotlib.pyplot" in sys.modules
    roc_figure({"toy": tally_of(100)}, FIGURES)
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_a_set_of_one_class_is_our_error() -> None:
    tally = Tally.empty().update(np.ones(1, np.float32), np.ones(1, np.uint8))
    with pytest.raises(EvaluationError, match="both"):
        roc_figure({"one": tally}, FIGURES)
    with pytest.raises(EvaluationError, match="both"):
        score_figure("one", tally, auc=0.5)


def test_the_pace_is_drawn_from_the_first_row_of_this_run() -> None:
    figure = pace_figure("big", [(10.0, 500, 2**30), (11.0, 1500, 2**31), (13.0, 2500, 2**31)])
    speed, memory = figure.axes
    (steps,) = speed.patches
    assert isinstance(steps, StepPatch)
    assert (np.asarray(steps.get_data()[0]) * 1e6).tolist() == [1000, 500]
    assert memory.lines[0].get_xdata().tolist() == [0, 1, 3]  # type: ignore[union-attr]
    assert memory.lines[0].get_ydata().tolist() == [1, 2, 2]  # type: ignore[union-attr]
    assert speed.get_title() == "big: 2,000 rows in 3.0 s"


@pytest.mark.parametrize("steps", [1, 3])
def test_forgetting_lies_between_the_best_auc_so_far_and_the_last(
    steps: int, tmp_path: Path
) -> None:
    nan = [float("nan")] * steps
    figure = forgetting_figure(test=[0.8, 0.9, 0.85][:steps], own=nan, first=[0.7] * steps)
    figure.savefig(tmp_path / "forgetting.png")
    lost = "0.0500" if steps == 3 else "0.0000"
    assert figure.axes[0].get_title().endswith(f"forgetting {lost}")
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "fixed test set" in texts
    assert "validation part of the first data set" in texts
    assert "validation part of its own data set" not in texts
