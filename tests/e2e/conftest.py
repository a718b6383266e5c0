"""What the tests of `mlflow run` share: one database, with an experiment for each test."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from e2e.project_runs import Desk


@pytest.fixture(scope="session")
def typed_in(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Path:
    """A folder outside the project, with a database whose tables are there."""
    folder = tmp_path_factory.mktemp("typed in")
    shutil.copy(empty_database, folder)
    return folder


@pytest.fixture
def desk(typed_in: Path, request: pytest.FixtureRequest) -> Desk:
    """A desk with an experiment of the test's own."""
    name = re.sub(r"\W+", "-", request.node.name)[:80]
    return Desk(typed_in, f"sqlite:///{typed_in}/mlflow.db", name)
