"""The suite's servers: the real embedded broker and store, each started once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest
from secure_broker import SecureBroker, secure_broker

from susystream.services.broker import embedded_broker
from susystream.services.store import embedded_store
from susystream.tracking.local_database import ready_database


@pytest.fixture(scope="session")
def services_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home folder for the suite's shared servers."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def broker(services_home: Path) -> Iterator[str]:
    """The address of a real Kafka broker."""
    with embedded_broker(services_home) as address:
        yield address


@pytest.fixture(scope="session")
def store_uri(services_home: Path) -> Iterator[str]:
    """The address of a real document store."""
    with embedded_store(services_home) as uri:
        yield uri


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file `mlflow.db` with MLflow's tables, to be copied: making them takes seconds."""
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    ready_database(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    """A real Kafka broker with TLS and logins."""
    with secure_broker(tmp_path_factory.mktemp("secure")) as running:
        yield running


@pytest.fixture
def no_addresses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty current folder, and no server that the environment names."""
    for name in os.environ:
        if name.startswith(("SUSYSTREAM_", "MLFLOW_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
