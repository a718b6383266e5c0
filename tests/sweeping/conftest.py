from __future__ import annotations

from pathlib import Path

import pytest
from sweeping.desk import SweepDesk


@pytest.fixture
def desk(tmp_path: Path) -> SweepDesk:
    return SweepDesk(tmp_path)
