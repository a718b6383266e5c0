from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sweeping.desk import SweepDesk


@pytest.fixture
def desk(tmp_path: Path, empty_database: Path) -> Iterator[SweepDesk]:
    shutil.copy(empty_database, tmp_path)
    with closing(SweepDesk(tmp_path)) as found:
        yield found
