"""The composed system under a Docker engine, in a project of its own.

In: an engine. Out: its containers, started by `docker/up.sh`, on free ports of this machine; who it
was that stood in for an image that cannot be had here.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from susystream.services.ports import free_ports

ROOT = Path(__file__).parents[2]
FILE = "docker/compose.yaml"
OURS = "susystream:0.1.0"
REAL = {"kafka": "apache/kafka:3.9.1", "mongo": "mongo:7.0"}
PORTS = ("KAFKA_PORT", "MONGO_PORT", "MLFLOW_PORT", "NOTEBOOK_PORT")
_DEADLINE_SECONDS = 600.0


def engine() -> str:
    """Why there is no engine to test with; empty if there is one."""
    if shutil.which("docker") is None:
        return "no docker on PATH"
    for words in (["version"], ["compose", "version"]):
        done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            return " ".join(done.stderr.split())[-200:]
    return ""


def docker(*words: str, seconds: float = _DEADLINE_SECONDS) -> str:
    """What a command prints; an error shows what it said."""
    done = subprocess.run(
        ["docker", *words], capture_output=True, text=True, timeout=seconds, cwd=ROOT
    )
    assert done.returncode == 0, f"docker {' '.join(words)}\n{done.stdout}{done.stderr}"
    return done.stdout


def build_ours() -> None:
    """The image of the tree as it stands."""
    docker("build", "--quiet", "--file", "docker/Dockerfile", "--tag", OURS, ".", seconds=3000)


def image_of(service: str) -> str:
    """The real image, or its stand-in where it cannot be pulled."""
    real = REAL[service]
    for words in (["image", "inspect"], ["pull", "--quiet"]):
        asked = subprocess.run(["docker", *words, real], capture_output=True, timeout=900)
        if asked.returncode == 0:
            return real
    tag = f"susystream-{service}-standin:0.1.0"
    where = ["--file", "docker/standins/Dockerfile", "--target", service, "--tag", tag]
    docker("build", "--quiet", *where, ".", seconds=900)
    return tag


def chosen_ports() -> dict[str, str]:
    """A free one for each variable."""
    return dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))


def until(true: Callable[[], object], what: str, *, seconds: float = _DEADLINE_SECONDS) -> None:
    """Waits for something; an assertion names what did not come."""
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, f"{what}: not within {seconds:g} s"
        time.sleep(0.3)


@dataclass(slots=True)
class Composed:
    """One project of Compose; `with` takes it down, with its volumes.

    Attributes:
        project: Its name.
        variables: What would stand in `docker/.env`.
    """

    project: str
    variables: dict[str, str]
    secret: str = field(default_factory=lambda: secrets.token_hex(12), repr=False)

    def __enter__(self) -> Composed:
        self.down()
        return self

    def __exit__(self, *error: object) -> None:
        self.down()

    def down(self) -> None:
        """Containers, volumes, network."""
        self.compose("--profile", "spark", "down", "--volumes", "--timeout", "2")

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of a person's own file `docker/.env` counts beside it."""
        ours = {"COMPOSE_PROJECT_NAME": self.project, "SUSYSTREAM_ENV_FILE": os.devnull}
        ours["TZ"] = "America/New_York"  # the engine tells times in UTC
        told = {"MONGO_PASSWORD": self.secret, "NOTEBOOK_TOKEN": self.secret}
        return {**os.environ, **ours, **told, **self.variables}

    def compose(self, *words: str, seconds: float = _DEADLINE_SECONDS) -> str:
        """What `docker compose` prints."""
        done = subprocess.run(
            ["docker", "compose", "--file", FILE, "--env-file", os.devnull, *words],
            capture_output=True,
            text=True,
            timeout=seconds,
            cwd=ROOT,
            env=self.environment,
        )
        assert done.returncode == 0, f"compose {' '.join(words)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def up(self, *words: str, seconds: float = 1800.0) -> subprocess.CompletedProcess[str]:
        """`docker/up.sh`, in a process group of its own, which a time-out ends whole."""
        with subprocess.Popen(
            ["docker/up.sh", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=self.environment,
            start_new_session=True,
        ) as process:
            try:
                out, error = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, error)

    def address(self, name: str) -> str:
        """Where a port of a variable is."""
        return f"127.0.0.1:{self.variables[name]}"

    @property
    def store_uri(self) -> str:
        """As programs of this machine see it."""
        login = f"susystream:{self.secret}"
        return f"mongodb://{login}@{self.address('MONGO_PORT')}/?authSource=admin"

    def ids(self, service: str) -> list[str]:
        """Its containers."""
        return self.compose("ps", "--all", "--quiet", service).split()

    def state(self, container: str) -> dict[str, object]:
        """As the engine tells it, with the number of restarts."""
        (found,) = json.loads(docker("inspect", container))
        state: dict[str, object] = found["State"]
        return {**state, "RestartCount": found["RestartCount"]}

    def ended(self, service: str) -> int:
        """Waits for its one container, and tells its exit status."""
        (container,) = self.ids(service)
        until(lambda: self.state(container)["Status"] == "exited", f"the end of {service}")
        return int(str(self.state(container)["ExitCode"]))

    def said(self, container: str) -> str:
        """All it printed."""
        done = subprocess.run(["docker", "logs", container], capture_output=True, text=True)
        return done.stdout + done.stderr

    def kill(self, container: str) -> None:
        """Kills all that runs in a container, as a crash would, and sees the engine start it again.

        `docker kill` would not do: what a person stops stays stopped.
        """
        before = int(str(self.state(container)["RestartCount"]))
        killing = ["docker", "exec", "--privileged", "--user", "0", container]
        killing += ["sh", "-c", "kill -9 -1"]
        subprocess.run(killing, capture_output=True, timeout=60)
        until(
            lambda: int(str(self.state(container)["RestartCount"])) > before, f"restart {container}"
        )
