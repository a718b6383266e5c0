"""However a command under `mlflow run` ends, its run says so, and never RUNNING for ever."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import psutil
import pytest
from e2e.project_runs import Desk, Going

HOURS = "data.rows=400000000"
SECONDS = "data.rows=2000000"


def overrides(folder: Path, rows: str) -> str:
    return f"{rows} 'home={folder}/h' 'hydra.run.dir={folder}/out' tracking.system_metrics=false"


def ended(process: psutil.Process) -> None:
    """Waits for our process; `mlflow run` is its parent, so it leaves no zombie for long."""
    process.wait(60)


def marked(going: Going, status: str) -> None:
    deadline = time.monotonic() + 60
    while going.status_in_mlflow() != status and time.monotonic() < deadline:
        time.sleep(0.2)
    assert going.status_in_mlflow() == status, going.log.read_text()


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_in_the_terminal_kills_the_run(desk: Desk, tmp_path: Path, times: int) -> None:
    with desk.going("prepare", overrides=overrides(tmp_path, HOURS)) as going:
        program = going.program()
        for _ in range(times):
            going.signal_group(signal.SIGINT)
        assert going.mlflow.wait(60) != 0
        ended(program)
        # MLflow 3.17 compares a status with numbers, and makes FAILED of our KILLED when it can
        assert going.status_in_mlflow() in ("FAILED", "KILLED")
        assert going.reason_in_mlflow() == "interrupted by Ctrl-C"
        assert not list((tmp_path / "h" / "data").glob("toy-*/manifest.json"))


def test_a_terminal_that_closes_kills_the_run(desk: Desk, tmp_path: Path) -> None:
    with desk.going("prepare", overrides=overrides(tmp_path, HOURS)) as going:
        program = going.program()
        going.signal_group(signal.SIGHUP)
        assert going.mlflow.wait(60) == -signal.SIGHUP
        ended(program)
        marked(going, "KILLED")
        assert going.reason_in_mlflow() == "ended by SIGHUP"


@pytest.mark.parametrize(
    ("number", "reason"), [(signal.SIGTERM, "ended by SIGTERM"), (signal.SIGKILL, None)]
)
def test_a_program_that_is_stopped_ends_mlflow_run_too(
    desk: Desk, tmp_path: Path, number: signal.Signals, reason: str | None
) -> None:
    with desk.going("prepare", overrides=overrides(tmp_path, HOURS)) as going:
        going.program().send_signal(number)
        assert going.mlflow.wait(60) == 1
        assert going.status_in_mlflow() == "FAILED"
        assert going.reason_in_mlflow() == reason


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_program_outlives_mlflow_run_and_marks_its_run(
    desk: Desk, tmp_path: Path, number: signal.Signals
) -> None:
    with desk.going("prepare", overrides=overrides(tmp_path, SECONDS)) as going:
        program = going.program()
        going.mlflow.send_signal(number)
        assert going.mlflow.wait(60) == -number
        assert program.is_running()
        marked(going, "FINISHED")
        assert (tmp_path / "out" / "result.json").exists()


def test_a_run_whose_processes_were_all_killed_is_marked_by_the_next(
    desk: Desk, tmp_path: Path
) -> None:
    with desk.going("prepare", overrides=overrides(tmp_path, HOURS)) as going:
        program = going.program()
        killed = desk.opened().info.run_id
        going.kill_group()
        ended(program)
    assert desk.client().get_run(killed).info.status == "RUNNING", "nobody was left to mark it"
    with desk.going("prepare", overrides=overrides(tmp_path, "data.rows=300")) as going:
        assert going.mlflow.wait(60) == 0
    assert desk.client().get_run(killed).info.status == "KILLED"


def test_an_error_within_a_stage_fails_the_run_and_stands_on_it(desk: Desk, tmp_path: Path) -> None:
    done = desk.run(
        "prepare", data="susy", overrides=f"data.path={tmp_path}/none.csv home={tmp_path}/h"
    )
    assert (done.status, done.run.info.status) == (1, "FAILED")
    assert done.ours == [f"susystream: {done.run.data.tags['error']}"]
    assert "none.csv" in done.ours[0]
