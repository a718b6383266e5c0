"""Sweeps of the cheapest stage: trials that need no broker, no store and no network."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e2e.project_runs import as_in_a_terminal
from mlflow import MlflowClient
from mlflow.entities import Run

ROOT = Path(__file__).parents[2]
PREPARE = (
    *("stage=prepare", "sweep.metric=prepare/rows"),
    *("tracking.system_metrics=false", "tracking.pictures=false"),
)


JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")


@dataclass
class SweepDesk:
    """A folder with a tracking database of its own, and commands in it."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    _started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder}/mlflow.db"

    def overrides(self, *given: str, out: str = "out") -> list[str]:
        return [f"home={self.folder}/home", f"hydra.sweep.dir={self.folder}/{out}", *given]

    def start(self, *words: str) -> subprocess.Popen[str]:
        clean = {key: one for key, one in os.environ.items() if not key.startswith("MLFLOW_")}
        bin_folder = Path(sys.executable).parent
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            start_new_session=True,
            preexec_fn=as_in_a_terminal,
            env={
                **clean,
                "MLFLOW_TRACKING_URI": self.uri,
                "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
                **self.environment,
            },
        )
        self._started.append(process)
        return process

    def close(self) -> None:
        """Kills what a test that failed left running, and shows what it said."""
        # of those that ended, somebody else may have the numbers by now
        left = [one for one in self._started if one.poll() is None]
        for process in left:
            os.killpg(process.pid, signal.SIGKILL)
        for process in left:
            print(*process.communicate(timeout=20), sep="\n")

    def run(self, *words: str) -> tuple[int, str, str]:
        """Exit status, standard output, standard error."""
        process = self.start(*words)
        out, err = process.communicate(timeout=200)
        return process.returncode, out, err

    def sweep(self, *overrides: str, out: str = "out") -> tuple[int, str, str]:
        return self.run("susystream", "run", "-m", *self.overrides(*overrides, out=out))

    def trials(self, out: str = "out") -> dict[int, dict[str, Any]]:
        """Outcomes by number."""
        found = sorted(self.outcomes(out).values(), key=lambda one: int(one["number"]))
        return {one["number"]: one for one in found}

    def outcomes(self, out: str = "out") -> dict[Path, dict[str, Any]]:
        """By file, at any depth."""
        return {one: json.loads(one.read_text()) for one in (self.folder / out).rglob("trial.json")}

    def count_runs(self) -> int:
        """How many there are so far; asks the file, for MLflow would make its tables."""
        try:
            with closing(sqlite3.connect(f"file:{self.folder}/mlflow.db?mode=rw", uri=True)) as db:
                return int(db.execute("select count(*) from runs").fetchone()[0])
        except sqlite3.Error:
            return 0

    def runs(self) -> tuple[list[Run], dict[str | None, list[Run]]]:
        """The runs at the top, the newest first, and all runs by their parent's id."""
        client = MlflowClient(tracking_uri=self.uri)
        ids = [one.experiment_id for one in client.search_experiments()]
        below: dict[str | None, list[Run]] = {}
        for run in client.search_runs(ids, order_by=["attributes.start_time DESC"]):
            below.setdefault(run.data.tags.get("mlflow.parentRunId"), []).append(run)
        return below.get(None, []), below


def named(runs: list[Run]) -> dict[str, str]:
    """{name: status}."""
    return {str(run.info.run_name): run.info.status for run in runs}


def rows_of_uci(count: int) -> str:
    """So many rows of the UCI form."""
    features = ["1.0", "0.1", "0.2", "1.1", "-0.3", "0.4", "0.9", "0.5"]
    row = ",".join([*features, *(["1.0"] * 10)])
    return "".join(f"{number % 2}.0,{row}\n" for number in range(count))


def artifact(desk: SweepDesk, run_id: str, name: str) -> str:
    client = MlflowClient(tracking_uri=desk.uri)
    return Path(client.download_artifacts(run_id, name)).read_text()
