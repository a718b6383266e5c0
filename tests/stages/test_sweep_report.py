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
    assert "4 trials, of them 1 pruned, 1 failed" in said
    without, lines = [one for one in figure.axes[0].collections if isinstance(one, LineCollection)]
    assert [len(one.get_segments()) for one in (without, lines)] == [2, 2]


def test_a_sweep_whose_trials_were_all_ended_early_has_no_best() -> None:
    assert sweep_report.best(TRIALS[1:2], AUC) is None
    nan = Outcome("s", 0, {}, "finished", 1.0, objective=float("nan"))
    assert sweep_report.best([nan], AUC) is None


def test_a_trial_that_went_astray_hides_no_digit_of_the_others() -> None:
    values = (25000.5, 0.4123, 0.4345, 1e30)
    found = [Outcome("s", at, {}, "finished", 1.0, objective=one) for at, one in enumerate(values)]
    note = sweep_report.note(found, Objective("train/loss", maximize=False))
    assert note.startswith("Best train/loss **0.41230** in trial 1")
    assert all(f"| {one}&emsp; |" in note for one in ("0.43450", "25000.50000", "1.0000e+30"))


def test_nothing_that_a_trial_says_becomes_a_mark_of_the_note() -> None:
    said = sweep_report.note(TRIALS, AUC)
    assert said.splitlines()[-1] == r"- trial 3: x \*y\* \|z\| and more"
    assert r"train.learning\_rate" in said.splitlines()[2]


def test_the_note_begins_with_the_best_trial_and_leads_to_all() -> None:
    found = [
        *TRIALS,
        Outcome("s", 4, {"train.learning_rate": "3e-3"}, "finished", 1.0, 0.712345678, run_id="4a"),
    ]
    first, _, *rows = sweep_report.note(found, AUC, place="#/experiments/7/runs/s").splitlines()
    assert first == (
        "Best validation/auc **0.86000** in trial 2: `train.learning_rate=1e-3`. "
        "5 trials: 2 finished, 1 reused, 1 pruned, 1 failed."
    )
    assert (
        "| 0.71235&emsp; | finished&emsp; | 1.0&emsp; | [4a](#/experiments/7/runs/4a) |"
        in (rows[4])
    )


def test_one_reason_of_many_trials_is_told_once() -> None:
    found = [Outcome("s", at, {}, "failed", 1.0, error="no such data") for at in range(14)]
    lines = sweep_report.note([*TRIALS[:1], *found[1:]], AUC).splitlines()
    assert lines[-1] == "- trials 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …: no such data"
    assert len([one for one in lines if one.startswith("- ")]) == 1
