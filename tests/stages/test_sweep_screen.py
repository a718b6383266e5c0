"""What a sweep shows at its end, on a terminal of 80 letters."""

from __future__ import annotations

import io
from collections.abc import Sequence

import rich.console

from susystream.composition import composed_settings
from susystream.stages import sweep_report, sweep_screen
from susystream.stages.console import Console
from susystream.stages.objective import Objective
from susystream.stages.outcome import Outcome

AUC = Objective("validation/auc")
CHOSEN = {
    "train.learning_rate": "0.013826232179369865",
    "train.batch_size": "256",
    "model.dropout": "0.1",
    "train.early_stopping_patience": "12",
}


def shown(found: Sequence[Outcome], objective: Objective = AUC) -> list[str]:
    """Lines on the screen."""
    said = io.StringIO()
    console = Console(rich.console.Console(file=said, width=80, soft_wrap=True))
    settings = composed_settings(["stage=publish"])
    sweep_screen.show(console, found, objective, settings=settings)
    return said.getvalue().splitlines()


def test_a_sweep_without_a_figure_has_no_column_for_it() -> None:
    published = [Outcome("s", 0, {"seed": "1"}, "finished", 1.0)]
    title, head, *_ = shown(published, Objective(None))
    assert (title, head.split()) == ("Trials", ["trial", "seed", "state", "seconds"])
    lines = sweep_report.note(published, Objective(None)).splitlines()
    assert lines[2].replace("&emsp;", "") == "| trial | seed | state | seconds | run |"


def test_a_narrow_terminal_shows_figures_whole_without_the_seconds() -> None:
    *lines, best = shown([Outcome("s", 5, CHOSEN, "finished", 1.0, objective=0.8125)])
    assert best.startswith("best     trial 5: train.learning_rate=0.01383 train.batch_size=256 ")
    head, row = " ".join(lines[1:-2]).split(), lines[-1].split()
    assert head[-5:] == ["rate", "size", "dropout", "patience", "validation/auc", "state"][-5:]
    assert row == ["5", "0.01383", "256", "0.1", "12", "0.81250", "finished"]
    assert max(map(len, lines)) <= 80


def test_what_was_received_is_told_whole_and_once_of_equal_reasons() -> None:
    why = f"expected {'something ' * 30}or a time, received 'd2025x' (unknown); list them"
    found = [Outcome("s", at, {}, "failed", 1.0, error=why) for at in (1, 2)]
    assert shown(found)[-1] == f"trials 1, 2: {why.partition(';')[0]}"


def test_the_seconds_of_what_was_not_run_again_are_told_only_if_they_are_known() -> None:
    found = [Outcome("s", 0, {}, "reused", float("nan"), objective=0.8)]
    assert "nan" not in "".join([*shown(found), sweep_report.table(found, AUC)])
    assert sweep_report.plain(found[0])["seconds"] is None
