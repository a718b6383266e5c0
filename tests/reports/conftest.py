from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from reports.desk import ReportDesk

from susystream.tracking.local_database import ready_database


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables, made once: that takes seconds."""
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    ready_database(f"sqlite:///{path}")
    return path


@pytest.fixture
def desk(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> ReportDesk:
    monkeypatch.chdir(tmp_path)  # MLflow puts ./mlruns into the current folder
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(empty_database, tmp_path)
    return ReportDesk(tmp_path)
