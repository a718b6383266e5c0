"""Real tracking servers: SQLite files, and one `mlflow server` process for this folder."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from susystream.tracking.tracker import Tracker

START_SECONDS = 120.0


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each test in a folder of its own: MLflow puts ./mlruns into the current one."""
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    # what the tracker sets for the process goes with the test
    for name in ("HTTP_REQUEST_MAX_RETRIES", "HTTP_REQUEST_TIMEOUT", "RUN_ID"):
        monkeypatch.setenv(f"MLFLOW_{name}", "1")
        monkeypatch.delenv(f"MLFLOW_{name}")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps its database and its artifacts."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="session")
def server_database(server_folder: Path) -> str:
    """The address of the database that the server (and the UI, which is the same) shows."""
    return f"sqlite:///{server_folder}/mlflow.db"


@pytest.fixture(scope="session")
def server(server_folder: Path, server_database: str) -> Iterator[str]:
    """The address of a real tracking server."""
    folder = server_folder
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--port", str(port), "--backend-store-uri", server_database]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [*command, "--artifacts-destination", str(folder / "artifacts")],
            cwd=folder,
            env={**plain, "MLFLOW_DISABLE_TELEMETRY": "true"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_until_healthy(address, process, folder / "log.txt")
            yield address
        finally:
            os.killpg(process.pid, 15)  # its own session: the workers end with it
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait(20)


def wait_until_healthy(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            with urlopen(f"{address}/health", timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.3)
    raise AssertionError(f"no tracking server in {START_SECONDS} s: {log.read_text()[-2000:]}")


@pytest.fixture
def database(tmp_path: Path) -> str:
    """A SQLite address; absolute, for MLflow keeps one open connection for each address."""
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture(params=["sqlite", "server"])
def uri(request: pytest.FixtureRequest, database: str) -> str:
    """Both kinds of tracking store, one after the other."""
    if request.param == "sqlite":
        return database
    return str(request.getfixturevalue("server"))


@pytest.fixture
def tracker(uri: str) -> Tracker:
    return Tracker(uri, "tests", system_metrics=False)
