"""`mlflow run` of this project, as a person types it, against a database of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

ROOT = Path(__file__).parents[2]


def mlflow_run(folder: Path, entry: str, **parameters: str) -> tuple[int, Run, str]:
    """The exit status, the run that `mlflow run` opened, and what was printed."""
    uri = f"sqlite:///{folder}/mlflow.db"
    given = [word for name, value in parameters.items() for word in ("-P", f"{name}={value}")]
    command = [sys.executable, "-m", "mlflow", "run", str(ROOT), "--env-manager", "local"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    done = subprocess.run(
        [*command, "-e", entry, "--experiment-name", "mine", *given],
        capture_output=True,
        text=True,
        timeout=200,
        cwd=folder,
        # `python` in MLproject is the one of the activated environment
        env={
            **clean,
            "MLFLOW_TRACKING_URI": uri,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        },
    )
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("mine")
    assert experiment is not None, done.stderr
    (found,) = client.search_runs([experiment.experiment_id])
    return done.returncode, found, done.stdout + done.stderr


def test_an_entry_point_runs_in_the_run_and_experiment_that_mlflow_opened(tmp_path: Path) -> None:
    home = tmp_path / "a home"
    status, run, said = mlflow_run(
        tmp_path,
        "prepare",
        seed="7",
        overrides=f"data.rows=3000 'home={home}' hydra.run.dir={tmp_path}/out",
    )
    assert status == 0, said
    assert (run.info.status, run.data.tags["stage"]) == ("FINISHED", "prepare")
    assert run.data.params["data.rows"] == "3000"
    assert run.data.params["seed"] == "7"
    assert len(list((home / "data").glob("toy-*/manifest.json"))) == 1
    assert (tmp_path / "out" / "result.json").exists()


@pytest.mark.parametrize("overrides", ["data.rows=none", "data.rowz=3", "a='b"])
def test_a_wrong_override_is_one_line_and_a_failed_run(tmp_path: Path, overrides: str) -> None:
    status, run, said = mlflow_run(tmp_path, "prepare", overrides=overrides)
    assert status == 1
    assert run.info.status == "FAILED"
    (ours,) = [line for line in said.splitlines() if line.startswith("susystream: ")]
    assert "Traceback" not in said
    assert overrides.partition("=")[0] in ours


def test_a_sweep_may_be_given_as_overrides(tmp_path: Path) -> None:
    status, run, said = mlflow_run(
        tmp_path,
        "prepare",
        overrides=f"-m seed=1,2 data.rows=2000 home={tmp_path}/h hydra.sweep.dir={tmp_path}/out",
    )
    assert status == 0, said
    assert run.info.status == "FINISHED"
    results = sorted((tmp_path / "out").glob("*/result.json"))
    assert [path.parent.name for path in results] == ["0", "1"]
    seeds = [json.loads(path.read_text())["inputs"]["source"]["seed"] for path in results]
    assert seeds == [1, 2]
