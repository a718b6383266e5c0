from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sweeping.desk import SweepDesk


@pytest.fixture
def desk(tmp_path: Path, empty_database: Path) -> SweepDesk:
    shutil.copy(empty_database, tmp_path)
    return SweepDesk(tmp_path)
