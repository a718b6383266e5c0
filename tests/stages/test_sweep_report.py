"""What is told of a sweep: the same best trial everywhere, and texts that stay texts."""

from __future__ import annotations

import csv
import io

from matplotlib.collections import LineCollection
from plots.looking import texts

from susystream.stages import sweep_report
from susystream.stages.objective import Objective
from susystream.stages.outcome import Outcome

AUC = Objective("validation/auc")
TRIALS = [
    Outcome("s", 0, {"train.learning_rate": "1e-4"}, "finished", 1.0, objective=0.80),
    Outcome(
        "s", 1, {"train.learning_rate": "1e-1"}, "pruned", 1.0, objective=0.90
    ),  # after an epoch
    Outcome("s", 2, {"train.learning_rate": "1e-3"}, "reused", 1.0, objective=0.86),
    Outcome("s", 3, {"train.learning_rate": "1e-2"}, "failed", 1.0, error="x *y* |z|\nand more"),
]


def test_a_trial_that_was_ended_early_is_never_the_best() -> None:
    best = sweep_report.best(TRIALS, AUC)
    assert best is not None
    assert best.number == 2
    rows = list(csv.DictReader(io.StringIO(sweep_report.table(TRIALS, AUC))))
    assert [row["trial"] for row in rows] == ["2", "0", "1", "3"]
    figure = sweep_report.picture(TRIALS, AUC)
    said = texts(figure)
    assert "best: 0.86" in said
    assert "4 trials, 2 of them without a result" in said
    without, lines = [one for one in figure.axes[0].collections if isinstance(one, LineCollection)]
    assert [len(one.get_segments()) for one in (without, lines)] == [2, 2]


def test_a_sweep_whose_trials_were_all_ended_early_has_no_best() -> None:
    assert sweep_report.best(TRIALS[1:2], AUC) is None
    nan = Outcome("s", 0, {}, "finished", 1.0, objective=float("nan"))
    assert sweep_report.best([nan], AUC) is None


def test_nothing_that_a_trial_says_becomes_a_mark_of_the_note() -> None:
    said = sweep_report.note(TRIALS, AUC)
    assert said.splitlines()[-1] == r"- trial 3: x \*y\* \|z\| and more"
    assert r"train.learning\_rate" in said.splitlines()[0]
