"""A sweep: one run above one run a trial, whoever starts it and whatever runs the trials."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from mlflow import MlflowClient
from omegaconf import OmegaConf
from sweeping.desk import JOBLIB, PREPARE, ROOT, SweepDesk, artifact, named, rows_of_uci


@pytest.mark.parametrize("launcher", ["basic", "joblib"])
@pytest.mark.parametrize("opened_by", ["susystream", "mlflow"])
def test_a_sweep_is_one_run_above_one_run_a_trial(
    desk: SweepDesk, launcher: str, opened_by: str
) -> None:
    jobs = JOBLIB if launcher == "joblib" else ()
    given = [*PREPARE[1:], "data.rows=1000,2000", *jobs[1:]]
    if opened_by == "susystream":
        status, _, err = desk.sweep("stage=prepare", f"hydra/launcher={launcher}", *given)
    else:
        texts = {"stage": "prepare", "launcher": launcher, "overrides": ""}
        texts["overrides"] = " ".join(desk.overrides(*given))
        parameters = [word for key, one in texts.items() for word in ("-P", f"{key}={one}")]
        entry = ["run", str(ROOT), "-e", "sweep", "--env-manager", "local", *parameters]
        status, _, err = desk.run("mlflow", *entry, "--experiment-name", "susystream")
    assert status == 0, err
    (parent,), below = desk.runs()
    assert parent.info.status == "FINISHED"
    trials = below[parent.info.run_id]
    assert named(trials) == {"trial 0: rows=1000": "FINISHED", "trial 1: rows=2000": "FINISHED"}
    assert {one.info.experiment_id for one in trials} == {parent.info.experiment_id}
    best = next(one for one in trials if one.info.run_name == "trial 1: rows=2000")
    assert parent.data.tags["best_run_id"] == best.info.run_id
    assert parent.data.metrics["best/prepare/rows"] == 2000
    assert parent.data.params["best.data.rows"] == "2000"
    assert {"data.rows", "seed"} & set(parent.data.params) == {"seed"}  # what the trials share


def test_the_sweeps_run_holds_a_table_a_picture_and_a_note(desk: SweepDesk) -> None:
    status, out, err = desk.sweep(*PREPARE, "tracking.pictures=true", "data.rows=1000,3000,2000")
    assert status == 0, err
    (parent,), _ = desk.runs()
    rows = list(csv.DictReader(io.StringIO(artifact(desk, parent.info.run_id, "trials.csv"))))
    assert [row["data.rows"] for row in rows] == ["3000", "2000", "1000"]  # the best first
    assert {row["state"] for row in rows} == {"finished"}
    said = parent.data.tags["mlflow.note.content"]
    assert said.startswith("Best prepare/rows **3000** in trial 1: `data.rows=3000`. 3 trials: 3 f")
    assert said.count("\n| ") == 5
    assert said.count(f"](#/experiments/{parent.info.experiment_id}/runs/") == 3
    client = MlflowClient(tracking_uri=desk.uri)
    pictures = client.list_artifacts(parent.info.run_id, "plots")
    assert [one.path for one in pictures] == ["plots/parallel_coordinates.png"]
    history = client.get_metric_history(parent.info.run_id, "trials/prepare/rows")
    assert [(one.step, one.value) for one in history] == [(0, 1000), (1, 3000), (2, 2000)]
    assert "best     trial 1: data.rows=3000" in out
    assert out.strip().splitlines()[-1] == "result   out/result.json"


def test_a_trial_that_fails_stops_no_other(desk: SweepDesk) -> None:
    (desk.folder / "bad.csv").write_text("1,2,3\n")
    (desk.folder / "good.csv").write_text(rows_of_uci(40))
    given = (*PREPARE, "data=susy", "data.expected_rows=null", "data.path=bad.csv,good.csv")
    status, out, err = desk.sweep(*given)
    assert status == 1
    last = err.strip().splitlines()[-1]
    assert last.startswith("susystream: expected 2 trials to finish, received 1 that failed (0;")
    assert re.search(r"failed +\d\.\d\n(.*\n)*trial 0: bad\.csv", out)
    (parent,), below = desk.runs()
    assert parent.info.status == "FAILED"
    assert sorted(named(below[parent.info.run_id]).values()) == ["FAILED", "FINISHED"]
    assert {number: one["state"] for number, one in desk.trials().items()} == {
        0: "failed",
        1: "finished",
    }


def test_only_what_did_not_finish_is_repeated(desk: SweepDesk) -> None:
    """A trial failed; it is given again once its file is right."""
    (desk.folder / "bad.csv").write_text("1,2,3\n")
    (desk.folder / "good.csv").write_text(rows_of_uci(40))
    given = (*PREPARE, "data=susy", "data.expected_rows=null", "data.path=bad.csv,good.csv")
    assert desk.sweep(*given)[0] == 1
    (desk.folder / "bad.csv").write_text(rows_of_uci(30))
    status, _, err = desk.sweep(*given, out="again")
    assert status == 0, err
    states = {number: one["state"] for number, one in desk.trials("again").items()}
    assert states == {0: "finished", 1: "reused"}
    (newest, former), below = desk.runs()
    assert (newest.info.status, former.info.status) == ("FINISHED", "FAILED")
    assert set(named(below[newest.info.run_id]).values()) == {"FINISHED"}
    assert len(below[newest.info.run_id]) == 2  # the finished one was moved to where all are
    assert former.data.tags["continued_by"] == newest.info.run_id


@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_the_first_failure_ends_a_sweep_that_asks_for_it(desk: SweepDesk, launcher: str) -> None:
    (desk.folder / "bad.csv").write_text("1,2,3\n")
    given = (*PREPARE, "data=susy", "data.expected_rows=null", "data.path=bad.csv,worse.csv")
    jobs = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=1") if launcher == "joblib" else ()
    status, _, err = desk.sweep(*given, *jobs, "sweep.stop_on_failure=true")
    assert status == 1
    last = err.strip().splitlines()[-1]
    assert last.startswith("susystream: expected every trial to finish")
    assert "trial 0 that failed (bad.csv, line 1" in last
    assert {number: one["state"] for number, one in desk.trials().items()} == {0: "failed"}
    (parent,), _ = desk.runs()
    assert parent.info.status == "FAILED"


def test_a_sweep_is_run_again_where_that_is_asked(desk: SweepDesk) -> None:
    given = (*PREPARE, "data.rows=1000,2000")
    assert desk.sweep(*given)[0] == 0
    assert desk.sweep(*given, "sweep.resume=false", out="again")[0] == 0
    assert {one["state"] for one in desk.trials("again").values()} == {"finished"}


def test_nothing_typed_that_is_secret_is_in_the_folder_of_a_sweep(desk: SweepDesk) -> None:
    secret = "stream.security={security.protocol: SSL, ssl.key.password: hunter2}"
    swept = "evaluate.engine.options={spark.password:hunter2},{spark.password:hunter2,spark.a:1}"
    given = ("data.rows=1000", "evaluate/engine=spark", swept, secret)
    status, out, err = desk.sweep(*PREPARE, *given)
    assert status == 0, err
    assert set(desk.trials()) == {0, 1}
    search = ("hydra/sweeper=random", "hydra.sweeper.trials=2", "hydra.sweep.dir=${home}/search")
    status, out_of_search, err_of_search = desk.sweep(*PREPARE, *given, *search)
    assert status == 0, err_of_search
    assert "hunter2" not in out + err + out_of_search + err_of_search
    drawn = {one["run_id"]: one for one in desk.trials("home/search").values()}
    for one in desk.trials().values():  # each that was drawn is one of the grid, and not run again
        same = drawn.pop(one["run_id"], one)
        assert same["parameters"] == one["parameters"]
    assert not drawn
    files = [one for one in desk.folder.rglob("*") if one.is_file()]
    assert {"trial.json", "config.yaml", "result.json", "mlflow.db"} <= {one.name for one in files}
    (journal,) = (one for one in files if one.suffix == ".journal")
    assert journal.stat().st_mode & 0o777 == 0o600
    assert [one for one in files if b"hunter2" in one.read_bytes()] == []


def test_two_sweeps_in_one_folder_are_two(desk: SweepDesk) -> None:
    assert desk.sweep(*PREPARE, "data.rows=1000,2000")[0] == 0
    status, out, err = desk.sweep(*PREPARE, "++data.rows=choice(1500)")
    assert status == 0, err
    assert "best     trial 0: data.rows=1500" in out
    (newest, _), below = desk.runs()
    assert newest.data.metrics["sweep/finished"] == 1
    assert named(below[newest.info.run_id]) == {"trial 0: rows=1500": "FINISHED"}


def test_events_that_are_not_prepared_here_are_prepared(desk: SweepDesk) -> None:
    """A run elsewhere, on the same tracking server, left nothing here."""
    given = (*PREPARE, "data.rows=1000,2000")
    assert desk.sweep(*given)[0] == 0
    status, _, err = desk.sweep(*given, f"home={desk.folder}/other", out="again")
    assert status == 0, err
    assert {one["state"] for one in desk.trials("again").values()} == {"finished"}
    assert list((desk.folder / "other" / "data").glob("toy-*/train.parquet"))


def test_a_sweep_that_is_ended_early_tells_what_it_has(desk: SweepDesk) -> None:
    (desk.folder / "good.csv").write_text(rows_of_uci(40))
    (desk.folder / "bad.csv").write_text("1,2,3\n")
    given = (*PREPARE, "data=susy", "data.expected_rows=null", "data.path=good.csv,bad.csv,x.csv")
    status, out, err = desk.sweep(*given, "sweep.stop_on_failure=true")
    assert status == 1
    assert "best     trial 0: data.path=good.csv" in out
    found = json.loads((desk.folder / "out" / "result.json").read_text())
    assert [one["state"] for one in found["trials"]] == ["finished", "failed"]
    (parent,), _ = desk.runs()
    assert parent.info.status == "FAILED"
    assert parent.data.metrics["best/prepare/rows"] == 40
    assert "expected every trial to finish" in err


def test_globs_choose_and_mappings_add_to_each_other(desk: SweepDesk) -> None:
    sets = [f"++evaluate.sets={{{name}: {{kind: toy, rows: 5}}}}" for name in "ab"]
    status, _, err = desk.sweep(*PREPARE, "data=glob(real*)", *sets)
    assert status == 0, err
    ran = OmegaConf.load(desk.folder / "out" / "1" / "config.yaml")
    assert {"a", "b"} <= set(ran.evaluate.sets)
    chosen = [one["parameters"]["data"] for one in desk.trials().values()]
    assert chosen == ["real_low_level", "real_sample"]
