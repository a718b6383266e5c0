"""One database for each module, and its client."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from sqlalchemy import Engine, event

from susystream.tracking.contact import opened


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> str:
    """One database for this module."""
    folder = tmp_path_factory.mktemp("tracking")
    address = f"sqlite:///{shutil.copy(empty_database, folder)}"
    opened(address, timeout_seconds=10)
    return address


@pytest.fixture
def client(database: str) -> MlflowClient:
    return MlflowClient(database)


@pytest.fixture
def impatient() -> Iterator[None]:
    """MLflow waits 20 s for a lock of SQLite; here a tenth of a second."""

    def shorter(_: object, __: object, text: str, given: Any, *___: object) -> tuple[str, Any]:
        return text.replace("busy_timeout = 20000", "busy_timeout = 100"), given

    event.listen(Engine, "before_cursor_execute", shorter, retval=True)
    yield
    event.remove(Engine, "before_cursor_execute", shorter)
