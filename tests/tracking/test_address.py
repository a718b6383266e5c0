from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from susystream.errors import TrackingError
from susystream.file_lock import file_lock
from susystream.tracking import local_database
from susystream.tracking.address import quiet, tracking_errors, ui_hint
from susystream.tracking.contact import check_early
from susystream.tracking.local_database import check_ready, ready_database
from susystream.tracking.schema import known_schemas
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


def test_a_schema_newer_than_mlflow_names_the_upgrade_of_mlflow(
    empty_database: Path, tmp_path: Path
) -> None:
    shutil.copy(empty_database, tmp_path / "newer.db")
    with closing(sqlite3.connect(tmp_path / "newer.db")) as connection:
        connection.execute("update alembic_version set version_num = 'ffffffffffff'")
        connection.commit()
    message = refusal("sqlite:///newer.db")
    assert "upgrade mlflow here" in message
    assert "db upgrade" not in message


@pytest.fixture
def moved_schemas() -> Iterator[None]:
    """A release of MLflow that does not show its schemas as this one does."""
    from mlflow.store.db import utils

    known_schemas.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(utils, "_get_alembic_config")
        assert known_schemas() == ()
    yield
    known_schemas.cache_clear()


@pytest.mark.usefixtures("moved_schemas")
def test_schemas_that_mlflow_does_not_show_are_left_to_it(database: str, tmp_path: Path) -> None:
    with Tracker(database, "tests", system_metrics=False).run("s", name="n", params={}, tags={}):
        pass
    other = f"sqlite:///{shutil.copy(tmp_path / 'mlflow.db', tmp_path / 'other.db')}"
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("update alembic_version set version_num = '451aebb31d03'")
        connection.commit()
    message = refusal(other)
    assert f"mlflow db upgrade {other}; of a newer MLflow: upgrade mlflow here" in message


@pytest.mark.parametrize("place", ["no/such", "file"])
def test_a_database_in_no_folder_is_refused_and_no_folder_made(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = refusal(f"sqlite:///{tmp_path}/{place}/x.db")
    assert f"there is no folder {tmp_path}/{place}; make it, or correct tracking.uri" in message
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_takes_no_file_is_told_what_to_correct() -> None:
    message = refusal("sqlite:////proc/x.db")
    assert message.endswith(
        "; name a file that you may write, in tracking.uri (or MLFLOW_TRACKING_URI)"
    )


def test_a_database_that_lacks_a_column_is_not_cured_by_another_file(
    database: str, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        connection.execute("alter table experiments rename column creation_time to mine")
        connection.commit()
    message = refusal(database)
    assert "no such column" in message
    assert message.endswith("; correct what it names")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "junk.db").write_text("hello" * 1000)
    assert "not a database" in refusal("sqlite:///junk.db")


KILLED_IN_A_WRITE = """
import os, signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("pragma cache_size = 1")  # so that it writes before it commits
database.execute("begin immediate")
database.executemany("insert into tags values (?, 'x', 'y')", ((str(n),) for n in range(9000)))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_was_writing_is_taken_back_and_the_database_is_used(
    empty_database: Path, tmp_path: Path
) -> None:
    """SQLite does that for whoever may write; who only reads would be refused, again and again."""
    path = tmp_path / "mlflow.db"
    shutil.copy(empty_database, path)
    subprocess.run([sys.executable, "-c", KILLED_IN_A_WRITE, path], timeout=60, check=False)
    assert path.with_name("mlflow.db-journal").stat().st_size > 0
    check_early(f"sqlite:///{path}", timeout_seconds=5.0)
    assert not path.with_name("mlflow.db-journal").exists()


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


def test_a_deleted_run_is_named_with_what_restores_it(database: str) -> None:
    """Also of a server whose address holds a password."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=database)
    run_id = client.create_run("0").info.run_id
    client.delete_run(run_id)
    shown = {database: "sqlite:///mlflow.db", "http://me:sesame@host:5000": "http://host:5000"}
    for address, place in shown.items():
        with pytest.raises(TrackingError) as caught, tracking_errors(address):
            client.log_metric(run_id, "a", 1.0)
        line = str(caught.value)
        assert line.startswith(f"expected run {run_id} on the tracking server at ")
        restore = f"MLFLOW_TRACKING_URI={place} mlflow runs restore --run-id {run_id}"
        assert line.endswith(f"; restore it: {restore}")


def test_the_hint_opens_the_store_in_use() -> None:
    assert ui_hint("http://me:sesame@host:5000") == "http://host:5000"
    place = "#/experiments/1/runs/r1"  # on the bare address stands a page for language models
    assert ui_hint("http://host:5000/", place=place) == f"http://host:5000/{place}"
    assert "mlflow ui --backend-store-uri sqlite:///mlflow.db" in ui_hint("sqlite:///mlflow.db")
    whole = f"sqlite:///{Path.cwd() / 'mlflow.db'}"  # as `mlflow run` hands it on
    assert ui_hint(whole) == ui_hint("sqlite:///mlflow.db")
    assert ui_hint("sqlite:////a b/x.db") == "mlflow ui --backend-store-uri 'sqlite:////a b/x.db'"


def test_a_server_whose_ui_is_elsewhere_is_shown_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000/")
    monkeypatch.setenv("SUSYSTREAM_UI_URI", "http://me:sesame@127.0.0.1:5000/")
    assert ui_hint("http://mlflow:5000", place="#/r1") == "http://127.0.0.1:5000/#/r1"
    assert "sqlite" in ui_hint("sqlite:///mlflow.db")
    another = "http://another:5000"
    assert ui_hint(another, place="#/r1") == f"{another}/#/r1", "another server has its own UI"


def test_a_persons_own_limits_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "7")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    quiet(1)
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "7"
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"


def test_a_database_that_another_process_is_making_for_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_database, "_LONGEST_SECONDS", 0.1)
    with file_lock(tmp_path / "mlflow.db.lock", deadline_seconds=1, late=TimeoutError):
        assert "another process has held" in refusal(f"sqlite:///{tmp_path}/mlflow.db")
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize(
    ("told", "cure"),
    [
        ("RESOURCE_DOES_NOT_EXIST: Run with id=r1 not found", "correct the id"),
        ("Run 'r1' not found", "correct the id"),
        ("API request failed with error code 404 != 200: page not found", "correct tracking.uri"),
    ],
)
def test_what_is_not_there_has_a_cure_of_its_own(told: str, cure: str) -> None:
    with pytest.raises(TrackingError) as caught, tracking_errors("http://127.0.0.1:5000"):
        raise MlflowException(told)
    assert str(caught.value).rpartition("; ")[2].startswith(cure) or cure in str(caught.value)


def test_a_parent_run_that_is_not_there_is_told_so(database: str) -> None:
    tracker = Tracker(database, "tests", system_metrics=False)
    with (
        pytest.raises(TrackingError, match="not found; correct the id"),
        tracker.run("s", name="n", params={}, tags={}, parent_run_id="0" * 32),
    ):
        raise AssertionError("not reached")


def test_a_database_that_another_command_is_making_is_waited_for(tmp_path: Path) -> None:
    whole, half = tmp_path / "whole.db", tmp_path / "half.db"
    ready_database(f"sqlite:///{whole}")
    with closing(sqlite3.connect(half)) as database:
        database.execute("create table experiments (name text)")
    with ThreadPoolExecutor(1) as pool:
        with file_lock(tmp_path / "half.db.lock", deadline_seconds=5, late=TrackingError):
            waiting = pool.submit(check_ready, f"sqlite:///{half}", timeout_seconds=5)
            time.sleep(0.3)
            assert not waiting.done()
            whole.replace(half)
        waiting.result(30)


def test_a_database_of_another_program_is_refused_though_nobody_makes_it(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as database:
        database.execute("create table recipes (name text)")
    (tmp_path / "other.db.lock").touch()
    with pytest.raises(TrackingError, match="another program"):
        check_ready(f"sqlite:///{other}", timeout_seconds=5)


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("http://[::1/x", "no readable host and port; correct tracking.uri"),
        ("http://127.0.0.1:99999", "no readable host and port"),
        ("postgresql://u:sesame@127.0.0.1:abc/x", "no readable host and port"),
        ("postgresql://u:sesame/2@127.0.0.1/x", "write marks as %2F"),
        ("http://", "no host"),
        ("sqlite:///", "no name of a file; name a file: sqlite:///mlflow.db"),
        ("sqlite:////", "no name of a file"),
        ("sqlite:///:memory:", "a database in memory"),
        ("sqlite://mlflow.db", "did you mean sqlite:///mlflow.db?"),
        ("sqlite://:sesame@/x.db", "did you mean sqlite:///x.db?"),
        ("mlruns", "; name a database: tracking.uri=sqlite:///mlflow.db"),
        ("file:///tmp/mlruns", "; name a database: tracking.uri=sqlite:///mlflow.db"),
        ("localhost:5000", "did you mean http://localhost:5000?"),
        ("me:sesame@127.0.0.1:5000", "did you mean http://127.0.0.1:5000?"),
        ("htp://127.0.0.1:5000", "did you mean http://127.0.0.1:5000?"),
        ("http:/127.0.0.1:5000", "no // behind the scheme; did you mean http://127.0.0.1:5000?"),
        (
            "postgres+x://u:sesame@h/d?password=sesame",
            "did you mean postgresql+x://h/d?password=***?",
        ),
        ("oracle://u:sesame@h/d?password=sesame", "not known here; name a database or a server: "),
        ("uc:x", "; name a database or a server: "),
    ],
)
def test_what_cannot_be_an_address_is_told_early(uri: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(TrackingError) as caught:
        check_early(uri, timeout_seconds=1)
    assert told in str(caught.value)
    assert "sesame" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("uri", ["databricks", "databricks://profile:x"])
def test_another_kind_of_address_that_mlflow_knows_is_left_to_it(
    uri: str,
) -> None:
    check_early(uri, timeout_seconds=1)


def test_the_error_of_a_plugin_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any type, and of a plugin whose scheme is nearly one of ours."""
    from mlflow.tracking._tracking_service.utils import _tracking_store_registry as registry

    (tmp_path / "kept.py").write_text("def store(**_): raise ValueError('no\\nroom')")
    (tmp_path / "kept-1.dist-info").mkdir()
    entry = "[mlflow.tracking_store]\nhttpx = kept:store\n"
    (tmp_path / "kept-1.dist-info" / "entry_points.txt").write_text(entry)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_registry", dict(registry._registry))
    registry.register_entrypoints()  # type: ignore[no-untyped-call]
    told = "at httpx://h/x, received: no room; correct what it names, or tracking.uri"
    assert told in refusal("httpx://me:sesame@h/x")


@pytest.mark.parametrize(("name", "cure"), [("x" * 600, "give a shorter name"), ("", "name the")])
def test_a_wrong_experiment_is_not_cured_by_another_file(
    database: str, name: str, cure: str
) -> None:
    with (
        pytest.raises(TrackingError, match=rf"; {cure} .*tracking\.experiment") as caught,
        Tracker(database, name, system_metrics=False).run("s", name="n", params={}, tags={}),
    ):
        raise AssertionError("not reached")
    assert "may write" not in str(caught.value)
