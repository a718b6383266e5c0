"""Sweeps whose tracking server goes away: nothing that a trial computed is lost."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sweeping.desk import PREPARE, SweepDesk
from tracking.passage import Passage
from tracking.tracking_server import TrackingServer, tracking_server
from waiting import until


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, empty_database: Path
) -> Iterator[TrackingServer]:
    with tracking_server(tmp_path_factory.mktemp("server"), empty_database) as found:
        yield found


@pytest.fixture
def passage(server: TrackingServer) -> Iterator[Passage]:
    with Passage(server.address) as found:
        yield found


def begun(server: TrackingServer) -> list[str]:
    """The states of the runs that have begun, with their tags."""
    with closing(sqlite3.connect(f"file:{server.folder}/mlflow.db?mode=rw", uri=True)) as database:
        query = (
            "select runs.status from runs join tags on runs.run_uuid = tags.run_uuid "
            "where tags.key = 'stage'"
        )
        return [str(status) for (status,) in database.execute(query)]


def test_trials_wait_for_a_server_that_is_away_between_them(
    desk: SweepDesk, passage: Passage
) -> None:
    desk.environment = {"MLFLOW_TRACKING_URI": passage.address}
    words = desk.overrides(*PREPARE, "data.rows=1000,2000,3000")
    process = desk.start("susystream", "run", "-m", *words)
    until(lambda: bool(desk.trials()), seconds=120, process=process)
    passage.close()
    time.sleep(4)
    passage.open()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "waiting for the tracking server" in out
    assert [one["state"] for one in desk.trials().values()] == ["finished"] * 3


def test_a_sweep_whose_server_is_away_at_its_end_tells_all_that_was_computed(
    desk: SweepDesk, server: TrackingServer, passage: Passage, tmp_path: Path
) -> None:
    desk.environment = {"MLFLOW_TRACKING_URI": passage.address}
    given = (*PREPARE, "data.rows=1000,3000000", "tracking.patience_seconds=5")
    before = len(begun(server))
    process = desk.start("susystream", "run", "-m", *desk.overrides(*given))
    # the sweep and both trials, the second of which takes many seconds
    until(lambda: len(begun(server)) == before + 3, seconds=120, process=process)
    passage.close()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "best     trial 1: data.rows=3000000" in out
    assert "  the sweep's pictures and table may have to wait: expected a tracking server" in out
    assert "susystream: expected a tracking server" in err.strip().splitlines()[-1]
    found = json.loads((tmp_path / "out" / "result.json").read_text())
    assert [one["state"] for one in found["trials"]] == ["finished"] * 2
    assert found["objective"] == 3_000_000
    passage.open()
    status, _, err = desk.run("susystream", "runs", "deliver", "--home", f"{tmp_path}/home")
    assert status == 0, err
    assert "RUNNING" not in begun(server)
