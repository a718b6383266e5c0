from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from susystream.errors import TrackingError
from susystream.tracking.address import first_contact, quiet, ui_hint
from susystream.tracking.tracker import Tracker


def refusal(uri: str) -> str:
    """The message of a first run that must not come about."""
    began = time.monotonic()
    with (
        pytest.raises(TrackingError) as caught,
        Tracker(uri, "tests", timeout_seconds=2).run("train", name="n", params={}, tags={}),
    ):
        raise AssertionError("not reached")
    assert time.monotonic() - began < 10
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


@pytest.mark.parametrize("scheme", ["http", "postgresql", "mysql+pymysql"])
def test_an_absent_server_is_told_in_seconds_without_its_password(scheme: str) -> None:
    message = refusal(f"{scheme}://me:sesame@127.0.0.1:9/db?password=sesame")
    assert "refused" in message
    assert "correct tracking.uri" in message
    assert "sesame" not in message


def test_an_old_schema_names_the_upgrade_and_is_left_as_it_was(
    database: str, tmp_path: Path
) -> None:
    with Tracker(database, "tests", system_metrics=False).run("s", name="n", params={}, tags={}):
        pass
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        connection.execute("update alembic_version set version_num = '451aebb31d03'")
        connection.execute("drop table input_tags")  # MLflow would migrate it without asking
        connection.commit()
    before = (tmp_path / "mlflow.db").read_bytes()
    assert f"mlflow db upgrade {database}" in refusal(database)
    assert (tmp_path / "mlflow.db").read_bytes() == before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "junk.db").write_text("hello" * 1000)
    assert "not a database" in refusal("sqlite:///junk.db")


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as database:
        database.execute("create table mine (a)")
        database.commit()
    assert "another program" in refusal("sqlite:///other.db")


def test_a_folder_as_the_store_is_refused_with_the_address_to_use() -> None:
    assert "tracking.uri=sqlite:///mlflow.db" in refusal("./mlruns")


def test_a_deleted_experiment_says_how_to_restore_it(database: str) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=database)
    client.delete_experiment(client.create_experiment("tests"))
    assert "mlflow experiments restore" in refusal(database)


def test_the_hint_opens_the_store_in_use() -> None:
    assert ui_hint("http://me:sesame@host:5000") == "http://host:5000"
    assert "mlflow ui --backend-store-uri sqlite:///mlflow.db" in ui_hint("sqlite:///mlflow.db")
    whole = f"sqlite:///{Path.cwd() / 'mlflow.db'}"  # as `mlflow run` hands it on
    assert ui_hint(whole) == ui_hint("sqlite:///mlflow.db")
    assert ui_hint("sqlite:////a b/x.db") == "mlflow ui --backend-store-uri 'sqlite:////a b/x.db'"


def test_a_persons_own_limits_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "7")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    quiet(1)
    with first_contact():
        assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "7"
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "7"
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
