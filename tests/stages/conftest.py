"""Stages in this process: real broker, store and tracking database, settings as composed."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import rich.console
from hydra import compose, initialize_config_dir
from stages.desk import Open

from susystream.composition import config_folder, settings_of
from susystream.stages.console import Console
from susystream.stages.context import StageContext, open_context


@pytest.fixture
def said() -> io.StringIO:
    """What the stages of the test say, 80 columns wide."""
    return io.StringIO()


@pytest.fixture
def opened(
    tmp_path: Path,
    broker: str,
    store_uri: str,
    empty_database: Path,
    said: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> Open:
    """Opens a context with overrides; home, topic, database and tracking are the test's own."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)  # MLflow puts ./mlruns into the current folder
    shutil.copy(empty_database, tmp_path)
    name = tmp_path.name.replace(".", "_")
    ours = [
        f"home={tmp_path}/home",
        f"stream.bootstrap_servers={broker}",
        f"stream.topic={name}",
        f"tracking.uri=sqlite:///{tmp_path}/mlflow.db",  # whole: MLflow keeps engines by address
        f"registry.uri={store_uri}",
        f"registry.database={name[-40:]}",
        "tracking.system_metrics=false",
        "tracking.pictures=false",  # they take seconds; who looks at them wants them
        "data.rows=4000",
        "train.epochs=1",
        "evaluate.sets.toy_large.rows=3000",
    ]

    @contextmanager
    def open_it(*overrides: str) -> Iterator[StageContext]:
        toy = not any(one.startswith("data=") for one in overrides)
        kept = [one for one in ours if toy or not one.startswith("data.rows")]
        with initialize_config_dir(str(config_folder()), version_base="1.3"):
            settings = settings_of(compose("config", overrides=[*kept, *overrides]))
        console = Console(rich.console.Console(file=said, width=80))
        with open_context(settings, output=tmp_path / "out", console=console) as context:
            yield context

    return open_it
