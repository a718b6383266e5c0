"""Which runs a report is made of: none that is another one's, none silently left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from mlflow import MlflowClient
from reports.desk import ReportDesk, of_set

from susystream.errors import TrackingError
from susystream.reports.continual import REAL_EVENTS
from susystream.tracking.label import PARENT
from susystream.tracking.recipe_runs import RecipeRuns, open_runs

PLAIN = "quickstart"  # a recipe without a declaration of its own
HEAD = "trial,{swept},validation/auc,state,seconds,run_id,error\n"
LOOK = {**of_set("toy_large", 0.8), **of_set("real_10k", 0.7)}


def test_a_run_with_other_settings_does_not_stand_for_its_recipe(desk: ReportDesk) -> None:
    place = desk.place(PLAIN)
    other = {"seed": 9, "model.dropout": [0, 0, 0], "evaluate.ensemble": None}
    former = desk.tracked(PLAIN, "pipeline", of_set("a", 0.6), variant=None)  # says nothing
    expected = f"as it stands, received only .*the newest {former} with settings=not recorded"
    _check_line(desk, PLAIN, expected)
    newest = desk.tracked(PLAIN, "pipeline", of_set("a", 0.7), variant=other)
    told = r"seed=9 model.dropout=\[0,0,0\] evaluate.ensemble=null"
    expected = f"the newest {newest} with {told}; make one: susystream run experiment={PLAIN}, or"
    _check_line(desk, PLAIN, f"{expected} report that one: .*--any-settings")
    plain = desk.tracked(PLAIN, "pipeline", of_set("a", 0.8))
    desk.tracked(PLAIN, "train", of_set("a", 0.9), variant={"stage": "train"})
    desk.tracked(PLAIN, "pipeline", of_set("a", 0.9), variant=other)
    desk.report(PLAIN)
    assert desk.result(PLAIN)["runs"][0]["run_id"] == plain
    assert desk.result(PLAIN)["variant"] == {}
    assert "not as in the recipe" not in (place / "README.md").read_text()


def test_a_run_with_other_settings_is_reported_with_them_if_asked_for(desk: ReportDesk) -> None:
    place = desk.place(PLAIN)
    desk.tracked(PLAIN, "pipeline", of_set("a", 0.8))
    newest = desk.tracked(PLAIN, "pipeline", of_set("a", 0.7), variant={"model.hidden": [4]})
    desk.report(PLAIN, "--any-settings")
    assert desk.result(PLAIN)["runs"][0]["run_id"] == newest
    assert desk.result(PLAIN)["variant"] == {"model.hidden": "[4]"}
    assert "; not as in the recipe: `model.hidden=[4]`." in (place / "README.md").read_text()
    desk.report(PLAIN, "--check")


def test_one_model_is_not_reported_as_an_ensemble(desk: ReportDesk) -> None:
    desk.place("ensemble")
    tags = {"model_id": "m9"}
    desk.tracked("ensemble", "train", {}, params={"model": {"name": "member_9"}}, tags=tags)
    run_id = desk.tracked("ensemble", "evaluate", LOOK, tags=tags)
    desk.tracked("ensemble", "tested", LOOK, tags=tags, parent=run_id)
    _check_line(desk, "ensemble", f"expected the figures of ensemble .* in run {run_id}")


def test_a_member_that_was_trained_with_other_settings_is_none(desk: ReportDesk) -> None:
    desk.place("ensemble")
    tags, variant = {"model_id": "m9"}, {"train.epochs": 9}
    trained = desk.tracked("ensemble", "train", {}, tags=tags, variant=variant)
    run_id = desk.tracked("ensemble", "evaluate", {}, tags=tags)
    desk.tracked("ensemble", "tested", LOOK, tags=tags, parent=run_id)
    desk.tracked("ensemble", "tested", LOOK, parent=run_id)
    _check_line(desk, "ensemble", f"expected run {trained} with the settings .*train.epochs=9")


PUBLICATIONS: tuple[tuple[str, dict[str, Any] | None, str], ...] = (
    ("ensemble", {"stage": "publish", "data.seed": 9}, "received data.seed=9;"),
    ("quickstart", {"stage": "publish"}, "received experiment=quickstart;"),
    ("ensemble", None, "received settings=not recorded;"),
)


@pytest.mark.parametrize(("recipe", "variant", "told"), PUBLICATIONS)
def test_a_data_set_that_was_published_with_other_settings_is_none_of_the_recipe(
    desk: ReportDesk, recipe: str, variant: dict[str, Any] | None, told: str
) -> None:
    desk.place("ensemble")
    _ensemble(desk, {"dataset_id": "d1"})
    _check_line(desk, "ensemble", "expected the publication of data set d1 .*not recorded")
    desk.tracked(recipe, "publish", {}, tags={"dataset_id": "d1"}, variant=variant)
    _check_line(desk, "ensemble", f"expected the publication of data set d1 of run .*{told}")
    desk.tracked("ensemble", "publish", {}, tags={"dataset_id": "d1"}, variant={"stage": "publish"})
    desk.report("ensemble")
    assert desk.result("ensemble")["variant"] == {}


def test_a_publication_whose_command_was_removed_says_nothing_of_its_recipe(
    desk: ReportDesk,
) -> None:
    """Another one of the same data set will do."""
    desk.place("ensemble")
    _ensemble(desk, {"dataset_id": "d1"})
    published = {"dataset_id": "d1"}
    desk.tracked(None, "publish", {}, tags=published | {PARENT: "f" * 32})
    _check_line(desk, "ensemble", "expected the publication of data set d1 .*not recorded")
    desk.tracked("ensemble", "publish", {}, tags=published)
    desk.report("ensemble")
    assert desk.result("ensemble")["variant"] == {}


def test_a_member_that_another_recipe_trained_is_none(desk: ReportDesk) -> None:
    desk.place("ensemble")
    desk.tracked("ensemble", "publish", {}, tags={"dataset_id": "d1"})
    _ensemble(desk, {"dataset_id": "d1"}, recipe="width_search")
    _check_line(desk, "ensemble", "expected run .* recipe ensemble, received experiment=width_sea")


def test_unlike_values_of_a_setting_are_told_together(desk: ReportDesk) -> None:
    desk.place("ensemble")
    desk.tracked("ensemble", "publish", {}, tags={"dataset_id": "d1"})
    _ensemble(
        desk,
        {"dataset_id": "d1"},
        variants=[{"data.path": one} for one in ("/a and b", "/c", "/a and b")],
    )
    desk.report("ensemble", "--any-settings")
    assert desk.result("ensemble")["variant"] == {"data.path": "/a and b and /c"}


@pytest.mark.parametrize("recipe", ["low_vs_high", "width_search"])
def test_a_sweep_over_something_else_is_one_line(desk: ReportDesk, recipe: str) -> None:
    desk.place(recipe)
    tags = {"model_id": "m1"}
    figures = LOOK | {"model/parameters": 1.0}
    trial = desk.tracked(recipe, "train", figures, tags=tags, parent=_above(desk, recipe))
    desk.tracked(recipe, "sweep", {}, trials=HEAD.format(swept="seed") + _row(0, trial))
    _check_line(desk, recipe, f"expected the setting model[.].* in run {trial}")


def test_a_setting_that_is_not_swept_is_that_of_the_trial(desk: ReportDesk) -> None:
    desk.place("low_vs_high")
    params = {"model": {"features": "low"}}
    above = _above(desk, "low_vs_high")
    trial = desk.tracked("low_vs_high", "pipeline", LOOK, params=params, parent=above)
    desk.tracked("low_vs_high", "sweep", {}, trials=HEAD.format(swept="seed") + _row(0, trial))
    desk.report("low_vs_high")
    (row,) = desk.result("low_vs_high")["tables"]["features"]
    assert (row["model.features"], row["paper/boosted trees"]) == ("low", 0.850)


@pytest.mark.parametrize(
    ("recipe", "swept", "value", "shown"),
    [
        ("low_vs_high", "model.features", "low", "low"),
        ("width_search", "model.hidden", '"[8,8,8]"', "[8,8,8]"),
    ],
)
def test_rows_that_differ_in_what_else_was_swept_say_so(
    desk: ReportDesk, recipe: str, swept: str, value: str, shown: str
) -> None:
    place, above, rows = desk.place(recipe), _above(desk, recipe), ""
    figures = LOOK | {"model/parameters": 1.0, "validation/auc": 0.8}
    for number, seed in enumerate((7, 9)):
        tags = {"model_id": f"m{number}"}
        trial = desk.tracked(recipe, "train", figures, tags=tags, parent=above)
        rows += f"{number},{value},{seed},csv,0.5,finished,1.0,{trial},\n"
    trials = HEAD.format(swept=f"{swept},seed,stream/codec") + rows
    desk.tracked(recipe, "sweep", {}, trials=trials, variant={"seed": "7,9"})
    desk.report(recipe, "--any-settings")
    text = (place / "README.md").read_text()
    assert "| seed | stream/codec |" in text
    assert all(f"| {shown} | {seed} | csv |" in text for seed in (7, 9))
    desk.report(recipe, "--check")


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        (None, "expected the file trials.csv in run {} .*received none; make another run"),
        (HEAD.format(swept="seed"), "expected a finished trial in run {} "),
        (HEAD.format(swept="seed") + "0,1,0.5,pruned,1.0,r,\n", "expected a finished trial in run"),
        (
            "a,b\n",
            "expected the columns trial, .* in trials.csv of run {}, received the columns a,",
        ),
        ("", r"in trials.csv of run {}, received the columns \(none\)"),
    ],
)
def test_a_sweep_without_results_is_one_line(
    desk: ReportDesk, trials: str | None, expected: str
) -> None:
    desk.place(PLAIN)
    run_id = desk.tracked(PLAIN, "sweep", {}, trials=trials)
    _check_line(desk, PLAIN, expected.format(run_id))


def test_trials_that_did_not_finish_are_counted_and_not_reported(desk: ReportDesk) -> None:
    place = desk.place(PLAIN)
    above = _above(desk, PLAIN)
    pruned = desk.tracked(PLAIN, "pipeline", {"validation/auc": 0.5}, parent=above)
    whole = [desk.tracked(PLAIN, "pipeline", of_set("a", one), parent=above) for one in (0.7, 0.8)]
    rows = [_row(0, pruned, "pruned"), _row(1, whole[0]), _row(2, whole[1], "reused")]
    rows += [_row(3, "", "failed"), _row(4, pruned, "pruned")]
    desk.tracked(PLAIN, "sweep", {}, trials=HEAD.format(swept="seed") + "".join(rows))
    desk.report(PLAIN)
    assert [row["seed"] for row in desk.result(PLAIN)["tables"]["results"]] == ["1", "2"]
    assert desk.result(PLAIN)["left_out"] == {"pruned": 2, "failed": 1}
    assert "Trials left out: 2 pruned, 1 failed." in (place / "README.md").read_text()


def test_a_trial_that_was_deleted_is_not_reported(desk: ReportDesk) -> None:
    desk.place(PLAIN)
    above = _above(desk, PLAIN)
    ids = [desk.tracked(PLAIN, "pipeline", of_set("a", one), parent=above) for one in (0.7, 0.8)]
    rows = [_row(number, one) for number, one in enumerate(ids)]
    desk.tracked(PLAIN, "sweep", {}, trials=HEAD.format(swept="seed") + "".join(rows))
    MlflowClient(desk.uri).delete_run(ids[1])
    told = f"run {ids[1]}, which is trial 1 of sweep .* deleted; restore it: .* runs restore"
    _check_line(desk, PLAIN, told)


def test_a_training_without_a_data_set_is_one_line(desk: ReportDesk) -> None:
    desk.place("continual")
    desk.tracked("continual", "publish", {}, tags={"dataset_id": "d1"})
    tags = {"model_id": "m1", "dataset_id": "d1"}
    trained = desk.tracked("continual", "train", FOLLOWED, tags=tags)
    desk.tracked("continual", "follow", {}, tags={"model_id": "m1", "chain": "c"})
    _check_line(desk, "continual", f"expected the data set .* in run {trained}")


def test_a_chain_begins_behind_the_model_that_it_came_from(desk: ReportDesk) -> None:
    desk.place("continual")
    of_chain = {"chain": "c"}
    desk.tracked("mine", "train", {"validation/auc": 0.9}, tags={"model_id": "m0"}, variant=None)
    desk.tracked("continual", "publish", {}, tags={"dataset_id": "d1"})
    desk.tracked("continual", "publish", {}, tags={"dataset_id": "d2"}, variant=REAL_EVENTS)
    follow = desk.tracked("continual", "follow", {}, tags=of_chain | {"model_id": "m2"})
    for number, figures in ((1, {"follow/parent/auc": 0.6}), (2, {"follow/first/auc": 0.7})):
        parent = {"model_id": f"m{number}", "parent_model_id": f"m{number - 1}"}
        parent["dataset_id"] = f"d{number}"
        desk.tracked(
            *(None, "train", FOLLOWED | figures),
            tags=of_chain | parent,
            parent=follow,
            learned=("toy", 9),
        )
    desk.report("continual")
    rows = desk.result("continual")["tables"]["chain"]
    assert [row["data_set"] for row in rows] == ["0, the model it began from", "1, toy", "2, toy"]
    assert [row["follow/test/auc"] for row in rows] == [0.6, 0.8, 0.8]
    assert [row["follow/first/auc"] for row in rows] == [None, None, 0.7]


def test_a_command_is_found_behind_any_number_of_trials(desk: ReportDesk) -> None:
    newest = desk.tracked(PLAIN, "pipeline", {})
    for _ in range(3):
        desk.tracked(PLAIN, "pipeline", {}, parent=newest)
    with open_runs(desk.uri) as runs:
        paged = RecipeRuns(runs._client, desk.uri, page=1)
        assert [one.run_id for one in paged.finished(PLAIN)] == [newest]


MEMBER = LOOK | {"test/toy_large/ece": 0.01}
FOLLOWED = {"follow/test/auc": 0.8, "follow/test/auc_stderr": 0.01, "follow/forgetting": 0.0}


def _ensemble(
    desk: ReportDesk,
    tags: dict[str, str],
    *,
    recipe: str = "ensemble",
    variants: Sequence[Mapping[str, Any]] = ({},),
) -> None:
    """An evaluation, and the training of each of its models."""
    ids = [f"m{number}" for number in range(len(variants))]
    for one, variant in zip(ids, variants, strict=True):
        params, own = {"model": {"name": one}}, {**tags, "model_id": one}
        desk.tracked(recipe, "train", {}, params=params, tags=own, variant=variant)
    run_id = desk.tracked("ensemble", "evaluate", {}, tags={"model_id": ",".join(ids)})
    for one in ids:
        desk.tracked("ensemble", "tested", MEMBER, tags={"model_id": one}, parent=run_id)
    desk.tracked("ensemble", "tested", MEMBER, parent=run_id)


def _above(desk: ReportDesk, recipe: str) -> str:
    """A sweep that did not finish, under which trials lie that others reused."""
    return desk.tracked(recipe, "sweep", {}, fails=True)


def _row(number: int, run_id: str, state: str = "finished") -> str:
    return f"{number},{number},0.5,{state},1.0,{run_id},\n"


def _check_line(desk: ReportDesk, recipe: str, expected: str) -> None:
    with pytest.raises(TrackingError, match=expected) as caught:
        desk.report(recipe)
    assert "\n" not in str(caught.value)
