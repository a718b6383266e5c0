"""Real tracking servers: SQLite files, and one `mlflow server` process for this folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tracking.tracking_server import TrackingServer, tracking_server

from susystream.tracking.tracker import Tracker


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
def running(
    tmp_path_factory: pytest.TempPathFactory, empty_database: Path
) -> Iterator[TrackingServer]:
    """A real tracking server, which stays up."""
    with tracking_server(tmp_path_factory.mktemp("server"), empty_database) as found:
        yield found


@pytest.fixture(scope="session")
def server_database(running: TrackingServer) -> str:
    """The address of the database that the server (and the UI, which is the same) shows."""
    return running.database


@pytest.fixture(scope="session")
def server(running: TrackingServer) -> str:
    """The address of a real tracking server."""
    return running.address


@pytest.fixture
def database(tmp_path: Path, empty_database: Path) -> str:
    """A SQLite address; absolute, for MLflow keeps one open connection for each address."""
    shutil.copy(empty_database, tmp_path)
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
