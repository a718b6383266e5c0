"""`mlflow run` of this project, as a person types it in some folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from mlflow import MlflowClient
from mlflow.entities import Run

from susystream.tracking.label import PROCESS

ROOT = Path(__file__).parents[2]
LONGEST_SECONDS = 240.0


def as_in_a_terminal() -> None:
    """Signals are heeded, also where this suite runs in the background and they are ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # `nohup` ignores it


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command came to."""

    status: int
    run: Run
    said: str

    @property
    def ours(self) -> list[str]:
        """The lines of our errors and hints."""
        return [line for line in self.said.splitlines() if line.startswith("susystream: ")]


@dataclass(frozen=True, slots=True)
class Desk:
    """A folder to type in, its database, and the experiment of a test."""

    folder: Path
    uri: str
    experiment: str
    longest_seconds: float = LONGEST_SECONDS

    def client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.uri)

    def runs(self) -> list[Run]:
        """The runs of the experiment, newest first."""
        found = self.client().get_experiment_by_name(self.experiment)
        return list(self.client().search_runs([found.experiment_id])) if found else []

    def opened(self) -> Run:
        """The run that `mlflow run` opened: the only one of the experiment without a parent."""
        top = [run for run in self.runs() if "mlflow.parentRunId" not in run.data.tags]
        assert len(top) == 1, [run.data.tags for run in top]
        return top[0]

    def run(
        self,
        entry: str,
        *options: str,
        project: str = str(ROOT),
        manager: str = "local",
        environment: Mapping[str, str] | None = None,
        parameters: Mapping[str, str] | None = None,
        **more: str,
    ) -> Ended:
        """Runs to the end."""
        done = subprocess.run(
            [
                *self._words(project, entry, manager),
                *options,
                *typed({**(parameters or {}), **more}),
            ],
            capture_output=True,
            text=True,
            timeout=self.longest_seconds,
            cwd=self.folder,
            env={**self._environment(), **(environment or {})},
        )
        said = done.stdout + done.stderr
        assert self.runs(), said
        return Ended(done.returncode, self.opened(), said)

    @contextmanager
    def going(self, entry: str, **parameters: str) -> Iterator[Going]:
        """A command as a terminal starts it, in a process group of its own; killed at the end."""
        log = self.folder / f"{self.experiment}.log"
        with log.open("w") as written:
            process = subprocess.Popen(
                [*self._words(str(ROOT), entry, "local"), *typed(parameters)],
                stdout=written,
                stderr=written,
                cwd=self.folder,
                env=self._environment(),
                start_new_session=True,
                preexec_fn=as_in_a_terminal,
            )
        going = Going(self, process, log)
        try:
            yield going
        finally:
            going.kill_group()

    def _words(self, project: str, entry: str, manager: str) -> list[str]:
        words = [sys.executable, "-m", "mlflow", "run", project, "-e", entry]
        return [*words, "--env-manager", manager, "--experiment-name", self.experiment]

    def _environment(self) -> dict[str, str]:
        foreign = ("MLFLOW_", "PYTHONPATH", "SUSYSTREAM_")
        clean = {name: one for name, one in os.environ.items() if not name.startswith(foreign)}
        # `python` in MLproject is the one of the activated environment
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        telling = {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONUNBUFFERED": "1"}
        return {**clean, **telling, "MLFLOW_TRACKING_URI": self.uri, "PATH": path}


class Going:
    """`mlflow run` while it goes on, and the program that it started."""

    def __init__(self, desk: Desk, mlflow: subprocess.Popen[bytes], log: Path) -> None:
        self.desk, self.mlflow, self.log = desk, mlflow, log

    def program(self) -> psutil.Process:
        """Our process, once a stage has taken the run."""
        deadline = time.monotonic() + LONGEST_SECONDS
        while time.monotonic() < deadline:
            assert self.mlflow.poll() is None, self.log.read_text()
            said = [run.data.tags.get(PROCESS, "") for run in self.desk.runs()]
            if any(said):
                return psutil.Process(int(said[0].split("/")[-2]))
            time.sleep(0.2)
        raise AssertionError(f"no stage took the run: {self.log.read_text()}")

    def signal_group(self, number: signal.Signals) -> None:
        """As a terminal does at Ctrl-C, or when it is closed."""
        os.killpg(self.mlflow.pid, number)

    def kill_group(self) -> None:
        try:
            self.signal_group(signal.SIGKILL)
        except ProcessLookupError:
            return
        self.mlflow.wait(30)

    def status_in_mlflow(self) -> str:
        return str(self.desk.opened().info.status)

    def reason_in_mlflow(self) -> str | None:
        found = self.desk.opened().data.tags.get("error")
        return None if found is None else str(found)


def typed(parameters: Mapping[str, str]) -> list[str]:
    return [word for name, value in parameters.items() for word in ("-P", f"{name}={value}")]
