"""What the tests of `mlflow run` share: one database, with an experiment for each test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from e2e.project_runs import Desk
from mlflow import MlflowClient


@pytest.fixture(scope="session")
def typed_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder outside the project, with a database whose tables are there."""
    folder = tmp_path_factory.mktemp("typed in")
    MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db").search_experiments(max_results=1)
    return folder


@pytest.fixture
def desk(typed_in: Path, request: pytest.FixtureRequest) -> Desk:
    """A desk with an experiment of the test's own."""
    name = re.sub(r"\W+", "-", request.node.name)[:80]
    return Desk(typed_in, f"sqlite:///{typed_in}/mlflow.db", name)
