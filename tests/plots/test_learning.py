"""Learning curves show each epoch's figures, and which epoch was the best."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from plots.looking import LONG, check_readable, legend_of

from susystream.plots.learning import learning_figure


def epochs(count: int, *, validated: bool = True) -> list[dict[str, float]]:
    found = []
    for number in range(count):
        one = {"train/loss": 0.5 - 0.01 * number, "train/accuracy": 0.7}
        if validated:
            auc = 0.8 + 0.01 * min(number, 3) - 0.002 * max(number - 3, 0)
            one |= {"validation/loss": 0.45, "validation/auc": auc}
        found.append(one)
    return found


def test_loss_and_auc_are_drawn_over_the_epochs() -> None:
    figure = learning_figure(epochs(6), title="report_mlp, m1")
    loss, auc = figure.axes
    lines = (*loss.lines, auc.lines[0])
    training, validation, area = (np.asarray(one.get_xydata()) for one in lines)
    assert training[5].tolist() == [6, pytest.approx(0.45)]
    assert validation[0].tolist() == [1, 0.45]
    assert area[3].tolist() == [4, pytest.approx(0.83)]
    assert legend_of(auc)[-1] == "best: 0.8300 in epoch 4"
    assert (auc.get_ylabel(), auc.get_xlabel()) == ("AUC", "epoch")
    upper, lower = (one.yaxis.label.get_window_extent() for one in (loss, auc))
    assert upper.y0 - lower.y1 > lower.height  # else they read as one


def test_the_auc_has_the_error_that_is_tracked() -> None:
    known = [{**one, "validation/auc_stderr": 0.005} for one in epochs(3)]
    (_, lower) = learning_figure(known).axes
    (bars,) = [one for one in lower.collections if isinstance(one, LineCollection)]
    ends = [np.ptp(np.asarray(one)[:, 1]) for one in bars.get_segments()]
    np.testing.assert_allclose(ends, [0.01] * 3)
    assert legend_of(lower)[-1] == "best: 0.8200 ± 0.0050 in epoch 3"


def test_without_validation_the_accuracy_is_drawn() -> None:
    figure = learning_figure(epochs(2, validated=False))
    assert figure.axes[1].get_ylabel() == "accuracy"
    assert [len(axes.lines) for axes in figure.axes] == [1, 1]


@pytest.mark.parametrize("count", [1, 2, 20, 300])
@pytest.mark.parametrize("validated", [True, False])
def test_any_number_of_epochs_is_readable(count: int, validated: bool) -> None:
    check_readable(learning_figure(epochs(count, validated=validated), title=LONG))


@pytest.mark.parametrize("validated", [True, False])
def test_a_training_without_a_single_number_is_drawn_all_the_same(validated: bool) -> None:
    broken = [dict.fromkeys(one, float("nan")) for one in epochs(2, validated=validated)]
    (_, lower) = learning_figure(broken).axes
    assert np.isfinite(lower.get_ylim()).all()
    assert len(legend_of(lower)) == 1
