from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from reports.desk import ReportDesk


@pytest.fixture
def desk(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> ReportDesk:
    monkeypatch.chdir(tmp_path)  # MLflow puts ./mlruns into the current folder
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(empty_database, tmp_path)
    return ReportDesk(tmp_path)
