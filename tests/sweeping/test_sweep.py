"""A sweep: one run above one run a trial, whoever starts it and whatever runs the trials."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient
from sweeping.desk import PREPARE, ROOT, SweepDesk, named, rows_of_uci, until
from sweeping.mortal import AFTER, ALWAYS, ASKED, AT_ONCE

JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")


def living(group: int) -> list[str]:
    """What still runs of a process group; what ended and is not reaped yet does not."""
    found = []
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(one.pid) == group and one.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(one.cmdline()))
    return found


def mortal_sweep(desk: SweepDesk, *given: str) -> tuple[int, str, str]:
    """Of which processes are killed; under joblib."""
    desk.environment = {"PYTHONPATH": os.pathsep.join(sys.path)}  # the callback's module too
    mortal = "+hydra.callbacks.mortal._target_=sweeping.mortal.Mortal"
    return desk.sweep(*PREPARE, *JOBLIB, mortal, *given)


def artifact(desk: SweepDesk, run_id: str, name: str) -> str:
    client = MlflowClient(tracking_uri=desk.uri)
    return Path(client.download_artifacts(run_id, name)).read_text()


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
    assert re.search(r"failed +\d\.\d +bad\.csv", out)
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


def test_a_killed_sweep_goes_on_where_it_was(desk: SweepDesk) -> None:
    given = (*PREPARE, "data.rows=" + ",".join(str(20000 + n) for n in range(8)))
    process = desk.start("susystream", "run", "-m", *desk.overrides(*given))
    until(lambda: len(desk.trials()) >= 3)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    done = len(desk.trials())
    assert 3 <= done < 8
    status, _, err = desk.sweep(*given, out="again")
    assert status == 0, err
    states = [one["state"] for one in desk.trials("again").values()]
    assert states.count("reused") in (done, done + 1)  # one may have ended without a word
    assert len(states) == 8
    (newest, former), below = desk.runs()
    assert (newest.info.status, former.info.status) == ("FINISHED", "KILLED")
    assert len(below[newest.info.run_id]) == 8
    left = below.get(former.info.run_id, [])
    assert {run.info.status for run in left} <= {"KILLED"}


@pytest.mark.parametrize("to", ["all", "the command"])
def test_a_sweep_that_is_ended_marks_its_run_and_those_of_its_workers(
    desk: SweepDesk, to: str
) -> None:
    """Ctrl-C reaches all processes of a terminal, SIGTERM only the one it is sent to."""
    given = ",".join(str(3_000_000 + n) for n in range(4))
    process = desk.start(
        "susystream", "run", "-m", *desk.overrides(*PREPARE, *JOBLIB, f"data.rows={given}")
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        time.sleep(0.1)
        if desk.count_runs() == 3:
            break
    if to == "all":
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.terminate()
    out, err = process.communicate(timeout=60)
    assert process.returncode == (130 if to == "all" else 143)
    assert "without a word" not in err
    assert "given again, the same command runs only the rest" in out
    (parent,), below = desk.runs()
    told = "interrupted by Ctrl-C" if to == "all" else "ended by SIGTERM"
    rows = list(csv.DictReader(io.StringIO(artifact(desk, parent.info.run_id, "trials.csv"))))
    assert [(row["trial"], row["state"], row["error"]) for row in rows] == [
        (number, "interrupted", told) for number in ("0", "1")
    ]
    for run in (parent, *below[parent.info.run_id]):
        assert (run.info.status, run.data.tags["error"]) == ("KILLED", told)
    deadline = time.monotonic() + 20
    while (left := living(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []


def test_the_processes_of_a_killed_sweep_finish_their_trials_and_end(desk: SweepDesk) -> None:
    """One has nobody left who takes what became of it, the other nobody who brings it more."""
    given = (*PREPARE, *JOBLIB, "data.rows=1000000,1000001,1000002")
    process = desk.start("susystream", "run", "-m", *desk.overrides(*given))
    until(lambda: desk.count_runs() == 3)
    process.kill()
    process.communicate(timeout=60)
    until(lambda: not living(process.pid))
    assert {0, 1} <= {n for n, one in desk.trials().items() if one["state"] == "finished"}


def test_a_process_that_is_asked_to_end_or_killed_ends_no_other_trial(desk: SweepDesk) -> None:
    """By SIGTERM, as `kill` does, and what watches the memory does at first; each has a run."""
    status, _, err = mortal_sweep(desk, f"data.rows={ASKED},{ALWAYS}")
    assert "killed or ended (out of memory?): trial" in err
    assert "again, one at a time; fewer at once: hydra.launcher.n_jobs=1" in err
    trials = desk.trials()
    assert (status, [one["state"] for one in trials.values()]) == (1, ["finished", "failed"]), err
    told = "the process of trial 1 was killed, and again when it ran alone (out of memory?); lower"
    assert f"susystream: trial 1 failed: {told}" in err
    (parent,), below = desk.runs()
    assert told in artifact(desk, parent.info.run_id, "trials.csv")
    runs = {one.info.run_id: one for one in below[parent.info.run_id]}
    of_trials = sorted((one.data.tags["trial"], one.info.status) for one in runs.values())
    assert of_trials == [("0", "FINISHED"), ("0", "KILLED"), ("1", "KILLED"), ("1", "KILLED")]
    last = max(runs.values(), key=lambda one: int(one.info.start_time))
    assert trials[1]["run_id"] == last.info.run_id  # none is made for what was killed


def test_a_process_that_is_killed_when_all_is_done_costs_nothing(desk: SweepDesk) -> None:
    search = ("hydra/sweeper=random", "hydra.sweeper.trials=1")
    status, _, err = mortal_sweep(desk, *search, f"data.rows=choice({AFTER})")
    assert status == 0, err
    assert "again" not in err


def test_a_process_that_is_killed_before_its_trial_begins_loses_nothing(desk: SweepDesk) -> None:
    search = ("hydra/sweeper=random", "hydra.sweeper.trials=1")
    status, _, err = mortal_sweep(desk, *search, f"data.rows=choice({AT_ONCE})")
    assert "(out of memory?): trial 0 runs again, one at a time; fewer at once" in err
    assert (status, [one["state"] for one in desk.trials().values()]) == (0, ["finished"])


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


def test_hydras_globs_choose_too(desk: SweepDesk) -> None:
    status, _, err = desk.sweep(*PREPARE, "data=glob(real*)")
    assert status == 0, err
    chosen = [one["parameters"]["data"] for one in desk.trials().values()]
    assert chosen == ["real_low_level", "real_sample"]
