"""Trials that never came to run."""

from __future__ import annotations

from pathlib import Path

import hydra
import pytest
from mlflow import MlflowClient
from sweeping.desk import SweepDesk

from susystream.composition import config_folder
from susystream.errors import SettingsError
from susystream.stages.trial import Trial
from susystream.sweeping.trials import _recorded
from susystream.tracking.tracker import Tracker


def test_a_trial_whose_settings_are_wrong_has_a_failed_run_and_a_killed_one_its_own(
    desk: SweepDesk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not all that a search will ask for is known when it begins."""
    monkeypatch.chdir(tmp_path)
    with hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
        given = [f"tracking.uri={desk.uri}", f"home={tmp_path}/home", "stage=train"]
        config = hydra.compose("config", overrides=[*given, "train.epochs=0"])
    wrong = SettingsError("setting train.epochs: …")
    tracker = Tracker(desk.uri, "e", system_metrics=False)
    with tracker.run("sweep", name="s", params={}, tags={}) as sweep:
        trial = Trial(2, {"train.epochs": "0"}, sweep.run_id)
        run_id = _recorded(config, trial, wrong, killed=True)  # before it had a run
        assert _recorded(config, trial, wrong, killed=True) == run_id
        assert _recorded(config, trial, wrong, killed=False) != run_id
    assert tracker.recorded(str(run_id)).config["train"]["epochs"] == 0
    run = MlflowClient(tracking_uri=desk.uri).get_run(str(run_id))
    assert (run.info.status, run.info.run_name) == ("FAILED", "trial 2: epochs=0")
    assert run.data.tags["mlflow.parentRunId"] == sweep.run_id
    assert run.data.tags["error"] == "setting train.epochs: …"
