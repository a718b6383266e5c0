"""The pace of a scan is drawn where there is something to see."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from susystream.plots.pace import Moment
from susystream.stages.window_points import WindowPoints
from susystream.tracking.tracker import Tracker


def test_a_scan_whose_windows_are_joined_into_two_points_is_not_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tracker = Tracker(f"sqlite:///{tmp_path}/mlflow.db", "mine", system_metrics=False)
    with tracker.run("evaluate", name="mine", params={}, tags={}) as run:
        for name, seconds in (("quick", 0.1), ("slow", 1.0)):
            pace: list[Moment] = [(seconds * at, 1000 * at, 2**20) for at in range(6)]
            WindowPoints(run, {}, name, print, _pace=pace).finish()
        WindowPoints(run, {}, "none", print).finish()
    found = MlflowClient(tracker.uri).list_artifacts(run.run_id, "plots")
    assert [one.path for one in found] == ["plots/pace_slow.png"]
