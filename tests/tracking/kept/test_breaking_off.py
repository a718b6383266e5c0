"""A locked database, a server that fails, a terminal that was closed: all that was kept arrives."""

from __future__ import annotations

import gc
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from tracking.kept_journals import (
    KEPT,
    begin,
    journal_of,
    locked,
    metrics,
    metrics_of,
    new_run,
    stored,
    tracker_of,
)

from susystream.errors import TrackingError
from susystream.tracking.delivery import Server
from susystream.tracking.entries import Entry
from susystream.tracking.journal import Journal
from susystream.tracking.left_behind import deliver_all


@pytest.mark.usefixtures("impatient")
def test_a_locked_database_is_an_outage_and_gets_all_of_it(
    database: str, client: MlflowClient
) -> None:
    """Of a run that is not there, too, what may be absent is told and no error."""
    said: list[str] = []
    with tracker_of(database, said) as tracker:
        with tracker.run("train", name="n", params={}, tags={}) as run, locked(database):
            for step in range(5):
                run.log_metrics({"loss": float(step)}, step=step)
            tracker.add_metrics("f" * 32, {"auc": 0.5}, whose="that run")
        assert "is away (the database is locked)" in said[0]
    assert [one.step for one in client.get_metric_history(run.run_id, "loss")] == [*range(5)]
    assert client.get_run(run.run_id).info.status == "FINISHED"
    assert said[1:] == [
        "that run is not on this tracking server",
        "the tracking server is back: all that was kept is there",
    ]


@pytest.mark.usefixtures("impatient")
def test_a_journal_for_a_locked_database_is_told_and_stays(
    database: str, client: MlflowClient
) -> None:
    run_id = new_run(client)
    path = journal_of(database, metrics(run_id, "a"))
    said: list[str] = []
    with locked(database):
        deliver_all(KEPT, database, client, say=said.append)
    assert f"what {path} keeps for it, received: the database is locked; it stays" in said[0]
    deliver_all(KEPT, database, client, say=said.append)
    assert said[1:] == [f"what {path} kept for this tracking server is there"]


@pytest.mark.usefixtures("impatient")
def test_what_was_refused_is_told_before_the_server_goes_away_again(
    database: str, client: MlflowClient
) -> None:
    paths = [journal_of(database, metrics(new_run(client), name)) for name in ("bad@name", "a")]
    said: list[str] = []
    with ExitStack() as stack:

        def say(line: str) -> None:
            said.append(line)
            stack.enter_context(locked(database, reads=True))

        with pytest.raises(TrackingError, match="database is locked"):
            deliver_all(KEPT, database, client, say=say)
    assert [str(paths[0].with_suffix(".refused")) in line for line in said] == [True]
    assert paths[1].exists()


@pytest.fixture
def closed() -> Iterator[Callable[[str], None]]:
    """Says lines to a terminal that was closed."""
    reading, writing = os.pipe()
    os.close(reading)

    def say(line: str) -> None:
        os.write(writing, line.encode())

    yield say
    os.close(writing)


def test_a_terminal_that_was_closed_is_no_absent_server(
    database: str, client: MlflowClient, closed: Callable[[str], None]
) -> None:
    journal_of(database, metrics(new_run(client), "a"))
    with pytest.raises(BrokenPipeError):
        begin(database, say=closed)


@pytest.mark.usefixtures("impatient")
def test_a_terminal_that_was_closed_delays_no_end(
    database: str, client: MlflowClient, closed: Callable[[str], None]
) -> None:
    began = time.monotonic()

    def say(line: str) -> None:
        if line.endswith("is there"):
            closed(line)

    with (
        tracker_of(database, [], say=say) as tracker,
        tracker.run("train", name="n", params={}, tags={}) as run,
        locked(database),
    ):
        run.log_metrics({"loss": 0.5})
    assert time.monotonic() - began < 10
    assert metrics_of(client, run.run_id) == {"loss": 0.5}


def test_what_the_server_failed_at_is_not_counted_as_there(database: str) -> None:
    tags = [Entry("r" * 32, "tags", {name: "x"}) for name in "abc"]
    path = journal_of(database, *tags)

    def sends(entry: Entry) -> None:
        if "b" in entry.data:
            raise MlflowException("an error inside the server")

    with Journal(path) as journal:
        journal.deliver(Server(sends, lambda: True))
        assert journal.progress() == (2, 3)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_store_of_files_that_breaks_off_ends_no_run(database: str, client: MlflowClient) -> None:
    """The errors of its client are of no family that MLflow knows."""
    said: list[str] = []

    def logs() -> None:
        with (
            tracker_of(database, said, patience_seconds=0.1, experiment="files") as tracker,
            tracker.run("train", name="n", params={}, tags={}) as run,
        ):
            runs.append(run.run_id)
            run.log_metrics({"loss": 0.5})

    runs: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"ftp://127.0.0.1:{listener.getsockname()[1]}/files"
        client.create_experiment("files", artifact_location=place)
        threading.Thread(target=hang_up, args=[listener], daemon=True).start()
        with pytest.raises(TrackingError, match=r"file of run .* the store of files: EOFError"):
            logs()
    assert "fails at a request (the store of files: EOFError)" in said[0]
    run = stored(client, runs[0])
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"loss": 0.5})
    (aside,) = KEPT.glob("*.refused")
    assert b"config.yaml" in aside.read_bytes()
    gc.collect()  # MLflow leaves its broken connections open: that is of this test


def hang_up(listener: socket.socket) -> None:
    while True:
        try:
            listener.accept()[0].close()
        except OSError:
            return
