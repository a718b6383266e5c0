"""Sweeps whose processes are killed or asked to end: nothing is lost, and nothing stays."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import signal
import sys
import time

import psutil
import pytest
from sweeping.desk import JOBLIB, PREPARE, SweepDesk, artifact
from sweeping.mortal import AFTER, ALWAYS, ASKED, AT_ONCE
from waiting import until


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


def test_a_killed_sweep_goes_on_where_it_was(desk: SweepDesk) -> None:
    given = (*PREPARE, "data.rows=" + ",".join(str(20000 + n) for n in range(8)))
    process = desk.start("susystream", "run", "-m", *desk.overrides(*given))
    until(lambda: len(desk.trials()) >= 3, seconds=120, process=process)
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
    until(lambda: desk.count_runs() == 3, seconds=120, process=process)
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
    until(lambda: desk.count_runs() == 3, seconds=120, process=process)
    process.kill()
    process.communicate(timeout=60)
    until(lambda: not living(process.pid), seconds=120)
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
