"""`susystream report` writes what was tracked, and nothing else, between the marks of a README."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from reports.desk import ReportDesk, of_set

from susystream.errors import (
    DataError,
    EvaluationError,
    SettingsError,
    SusystreamError,
    TrackingError,
)
from susystream.reporting import report

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
PLAIN = "quickstart"  # a recipe without a declaration of its own
STEPS = (
    *("steps/load_seconds", "steps/produce_seconds", "steps/consume_seconds"),
    *("steps/train_seconds", "test/toy_large/rows_per_second"),
)


def test_a_recipe_needs_no_declaration_to_be_reported(desk: ReportDesk) -> None:
    place = desk.place(PLAIN)
    figures = {**of_set("a", 0.8), **of_set("b", 0.7)}
    run_id = desk.tracked(PLAIN, "pipeline", figures, params={"data": {"rows": 7}})
    desk.report(PLAIN)
    text = (place / "README.md").read_text()
    assert text.startswith("# mine\n\nBefore.\n\n<!-- result -->\n| test set |")
    assert text.endswith("<!-- /result -->\n\nAfter.\n")
    assert "old" not in text
    assert "| a | 1,000 | 0.8000 ± 0.0100 | 0.7000 | 0.5000 |" in text
    assert run_id in text
    assert "`data.rows=7`" in text
    assert (place / "figure.png").read_bytes()[:4] == b"\x89PNG"
    result = desk.result(PLAIN)
    assert [row["auc"] for row in result["tables"]["results"]] == [0.8, 0.7]
    assert result["runs"][0]["run_id"] == run_id
    assert result["versions"]["tensorflow"]
    assert "processor" in result["machine"]


def test_a_sweep_of_such_a_recipe_is_a_row_a_trial(desk: ReportDesk) -> None:
    place = desk.place(PLAIN)
    former = desk.tracked(PLAIN, "sweep", {}, trials="trial\n")
    ids = [  # the first trial was taken over from another sweep, under whose run it lies
        desk.tracked(PLAIN, "pipeline", of_set("a", auc), parent=former) for auc in (0.8, 0.7)
    ]
    rows = [f"{n},{n + 5},{n},finished,1.0,{one}," for n, one in enumerate(ids)]
    head = "trial,seed,test/a/auc,state,seconds,run_id,error"
    desk.tracked(PLAIN, "sweep", {}, trials="\n".join([head, *reversed(rows)]))
    desk.report(PLAIN)
    text = (place / "README.md").read_text()
    assert "| seed | AUC on a |" in text
    assert "| 5 | 0.8000 ± 0.0100 |\n| 6 | 0.7000 ± 0.0100 |" in text


def test_the_newest_finished_run_counts(desk: ReportDesk) -> None:
    desk.place(PLAIN)
    desk.tracked(PLAIN, "pipeline", of_set("a", 0.6))
    newest = desk.tracked(PLAIN, "pipeline", of_set("a", 0.7))
    desk.tracked(PLAIN, "pipeline", of_set("a", 0.8), fails=True)
    desk.tracked("seed_report", "pipeline", of_set("a", 0.9))
    desk.report(PLAIN)
    assert desk.result(PLAIN)["runs"][0]["run_id"] == newest


def test_a_readme_that_was_changed_by_hand_is_told_and_rendered_again(desk: ReportDesk) -> None:
    place = desk.place(PLAIN)
    desk.tracked(PLAIN, "pipeline", of_set("a", 0.8))
    desk.report(PLAIN)
    desk.report(PLAIN, "--check")
    written = (place / "README.md").read_text()
    drawn = (place / "figure.png").read_bytes()
    (place / "README.md").write_text(written.replace("0.8000", "0.9000"))
    told = "something else; write it again: susystream report quickstart --render --folder /"
    with pytest.raises(DataError, match=told):
        desk.report(PLAIN, "--check")
    (desk.folder / "mlflow.db").unlink()  # the runs need not be there any more
    desk.report(PLAIN, "--render")
    assert (place / "README.md").read_text() == written
    assert (place / "figure.png").read_bytes() == drawn
    desk.report("--all", "--check")


def test_a_picture_of_other_figures_is_told(desk: ReportDesk) -> None:
    place = desk.place(PLAIN)
    desk.tracked(PLAIN, "pipeline", of_set("a", 0.8))
    desk.report(PLAIN)
    former = (place / "figure.png").read_bytes()
    desk.tracked(PLAIN, "pipeline", of_set("a", 0.7))
    desk.report(PLAIN)
    (place / "figure.png").write_bytes(former)
    with pytest.raises(DataError, match=r"expected .*figure\.png to say what .* something else;"):
        desk.report(PLAIN, "--check")
    (place / "figure.png").unlink()
    with pytest.raises(DataError, match=r"expected .*figure\.png to say what .* no such file;"):
        desk.report(PLAIN, "--check")


def test_a_fault_of_one_report_stops_no_other_and_each_is_told(
    desk: ReportDesk, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ensemble", PLAIN, "seed_report"):
        place = desk.place(name)
    desk.tracked(PLAIN, "pipeline", of_set("a", 0.8))
    for flags in ((), ("--check",)):
        _check_line(desk, ["--all", *flags], DataError, "received 2 with one, each told above")
        said = capsys.readouterr()
        assert f"{PLAIN}/README.md is " in said.out
        first, second = said.err.splitlines()
        assert "ensemble" in first
        assert "seed_report" in second
    assert not (place / "result.json").exists()


def test_what_cannot_be_drawn_replaces_nothing(desk: ReportDesk) -> None:
    place = desk.place("seed_report")
    figures = dict.fromkeys(STEPS, 1.0) | of_set("toy_large", 0.8)
    figures |= of_set("holdout", 0.8) | {"test/holdout/rows": 10_000.0}
    made: dict[str, Any] = {"params": {"train": {"epochs": 1}}, "learned": ("toy d1", 90_000)}
    desk.tracked("seed_report", "pipeline", figures, **made)
    desk.report("seed_report")
    assert "| train | one epoch of 90,000 | 9.98 | 1 |" in (place / "README.md").read_text()
    before = {one.name: one.read_bytes() for one in place.iterdir()}
    figures["steps/train_seconds"] = -1.0
    desk.tracked("seed_report", "pipeline", figures, **made)
    _check_line(desk, ["seed_report"], EvaluationError, "expected positive values of seconds")
    assert {one.name: one.read_bytes() for one in place.iterdir()} == before


def test_other_amounts_than_the_reports_stand_beside_their_times(desk: ReportDesk) -> None:
    place = desk.place("seed_report")
    figures = dict.fromkeys(STEPS, 1.0) | of_set("toy_large", 0.8) | of_set("holdout", 0.8)
    params = {"train": {"epochs": 2}}
    desk.tracked("seed_report", "pipeline", figures, params=params, learned=("toy d1", 3600))
    desk.report("seed_report")
    text = (place / "README.md").read_text()
    assert "| train | one epoch of 90,000 | 9.98 | 2 epochs of 3,600 | 1 |" in text
    assert "| load | 100,000 rows | 1.89 | 4,600 rows | 1 |" in text


DAMAGED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"tables": {}}, "nothing in table results"),
    ({"tables": {"results": []}}, "nothing in table results"),
    ({"tables": {"results": [{}]}}, "nothing in table results"),
    ({"tables": {"results": [{"set": "a"}]}}, "a row of results without rows"),
    ({"tables": {"results": [{"set": "a"}, 7]}}, r"at tables\.results\.1"),
    ({"tables": []}, "at tables: "),
    ({"runs": []}, "runs without run_id"),
    ({"runs": [{"run_id": "r"}]}, "runs without run_id"),
    ({"params": {"seed": 7}}, r"at params\.seed: "),
    ({"recipe": "ensemble"}, "recipe ensemble"),
)


def test_a_result_that_misses_something_is_one_line(desk: ReportDesk) -> None:
    place = desk.place(PLAIN)
    desk.tracked(PLAIN, "pipeline", of_set("a", 0.8))
    desk.report(PLAIN)
    whole = desk.result(PLAIN)
    for change, what in DAMAGED:
        (place / "result.json").write_text(json.dumps({**whole, **change}))
        expected = f"expected a result of {PLAIN} in .*result.json, received .*{what}"
        for how in ("--check", "--render"):
            _check_line(desk, [PLAIN, how], DataError, expected)


def test_results_are_printed_as_json(desk: ReportDesk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.place(PLAIN)
    desk.tracked(PLAIN, "pipeline", of_set("a", 0.8))
    desk.report(PLAIN, "--json")
    assert json.loads(capsys.readouterr().out) == [desk.result(PLAIN)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["low_vs_hihg"], r"unknown recipe 'low_vs_hihg'.*did you mean low_vs_high"),
        ([], "either names or --all, received neither"),
        (["--all", PLAIN], "either names or --all, received both"),
        ([PLAIN, "--check", "--render"], "--check, which writes nothing, or --render, received"),
    ],
)
def test_a_wrong_name_is_one_line(desk: ReportDesk, words: list[str], expected: str) -> None:
    _check_line(desk, words, SettingsError, expected)


def test_no_folder_of_a_recipe_is_one_line(desk: ReportDesk) -> None:
    _check_line(desk, ["--all"], DataError, "folders of recipes in .*--folder")


@pytest.mark.parametrize(
    ("recipe", "command"),
    [
        ("low_vs_high", "susystream run experiment=low_vs_high"),
        ("ensemble", "experiments/ensemble/run.sh"),
        (PLAIN, "susystream run experiment=quickstart"),
    ],
)
def test_without_a_finished_run_the_command_that_makes_one_is_told(
    desk: ReportDesk, recipe: str, command: str
) -> None:
    desk.place(recipe)
    desk.tracked(recipe, "sweep", {}, fails=True)
    _check_line(desk, [recipe], TrackingError, f"finished run.*received none; make one: {command}")
    assert not (desk.folder / "experiments" / recipe / "result.json").exists()


def test_a_server_without_anything_is_one_line(desk: ReportDesk) -> None:
    desk.place(PLAIN)
    (desk.folder / "mlflow.db").unlink()
    _check_line(desk, [PLAIN], TrackingError, "no such file; correct --tracking-uri")
    assert not (desk.folder / "mlflow.db").exists()


@pytest.mark.parametrize(
    ("recipe", "stage", "missing"),
    [(PLAIN, "train", r"test/\*/rows"), ("seed_report", "pipeline", "steps/load_seconds")],
)
def test_a_figure_that_the_run_has_not_is_named(
    desk: ReportDesk, recipe: str, stage: str, missing: str
) -> None:
    desk.place(recipe)
    run_id = desk.tracked(recipe, stage, {"train/loss": 0.5})
    expected = f"expected the figure {missing} in run {run_id} of the recipe {recipe}.*make another"
    _check_line(desk, [recipe], TrackingError, expected)


@pytest.mark.parametrize(
    ("readme", "expected"),
    [
        ("# no marks\n", "received neither; write both"),
        ("<!-- result -->\n", "received the first; write both"),
    ],
)
def test_a_readme_without_the_marks_is_told_before_anything_is_written(
    desk: ReportDesk, readme: str, expected: str
) -> None:
    place = desk.place(PLAIN, readme)
    desk.tracked(PLAIN, "pipeline", of_set("a", 0.8))
    _check_line(desk, [PLAIN], DataError, expected)
    assert [one.name for one in place.iterdir()] == ["README.md"]


def test_no_readme_is_one_line(desk: ReportDesk) -> None:
    desk.tracked(PLAIN, "pipeline", of_set("a", 0.8))
    _check_line(desk, [PLAIN], DataError, "no such file; write it, with a line <!-- result -->")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "no such file; write it: susystream report quickstart"),
        ("{", "expected JSON"),
        ("{}", "result of form 2"),
        ('{"schema_version": 9}', "result of form 2"),
    ],
)
def test_a_result_that_cannot_be_read_is_one_line(
    desk: ReportDesk, content: str | None, expected: str
) -> None:
    place = desk.place(PLAIN)
    if content is not None:
        (place / "result.json").write_text(content)
    _check_line(desk, [PLAIN, "--check"], DataError, expected)


def test_every_committed_readme_says_what_its_result_says() -> None:
    report.main(["--all", "--check", "--folder", str(EXPERIMENTS)], standalone_mode=False)


def test_every_experiment_with_a_script_or_a_result_of_ours_is_whole() -> None:
    marked = [
        one for one in EXPERIMENTS.glob("*/README.md") if "<!-- result -->" in one.read_text()
    ]
    assert {one.parent.name for one in marked} >= {
        *("seed_report", "low_vs_high", "width_search", "ensemble", "continual")
    }
    for readme in marked:
        names = {one.name for one in readme.parent.iterdir()}
        assert names >= {"result.json", "figure.png"}, readme
        assert "**Question.**" in readme.read_text()
        text = (readme.parent / "result.json").read_text()
        assert not re.search(r"[\" ](/|file:)", text), "a path of some machine"


def _check_line(
    desk: ReportDesk, words: list[str], kind: type[SusystreamError], expected: str
) -> None:
    with pytest.raises(kind, match=expected) as caught:
        desk.report(*words)
    assert "\n" not in str(caught.value)
