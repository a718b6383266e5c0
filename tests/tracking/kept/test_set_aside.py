"""What a tracking server did not take is set aside, and sent later replaces nothing newer."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from tracking.kept_journals import (
    KEPT,
    deliver,
    ended,
    journal_of,
    locked,
    metrics,
    metrics_of,
    new_run,
    stored,
    tracker_of,
)

from susystream.errors import TrackingError
from susystream.tracking.abandoned import mark_if_abandoned
from susystream.tracking.delivery import Account, Server
from susystream.tracking.entries import Entry, send
from susystream.tracking.journal import Journal
from susystream.tracking.label import NOTE
from susystream.tracking.replaced import standing
from susystream.tracking.tracked_run import TrackedRun
from susystream.tracking.tracker import Tracker


def test_one_refused_point_takes_no_neighbour_with_it(database: str, client: MlflowClient) -> None:
    run_id = new_run(client)
    names = [*(f"m{number}" for number in range(20)), "bad@name", "last"]
    path = journal_of(database, *(metrics(run_id, name) for name in names))
    done = deliver(path)
    aside = path.with_suffix(".refused")
    assert metrics_of(client, run_id).keys() == {*names} - {"bad@name"}
    assert done.exit_code == 1
    assert str(done.exception).endswith(f"to try again: susystream runs deliver {aside}")
    assert "more" not in str(done.exception), "one refusal"


def test_a_later_picture_is_not_replaced_by_a_former_one_of_its_name(
    database: str, client: MlflowClient
) -> None:
    run_id, account = new_run(client), Account()
    failing, told = [True], "a store of files that breaks off"

    def sends(entry: Entry) -> None:
        if failing:
            failing.pop()
            raise MlflowException(told)
        send(client, entry)

    for word in ("former", "later"):
        picture = Path(word) / "roc.png"
        picture.parent.mkdir()
        picture.write_text(word)
        account.give(Entry(run_id, "file", "plots", picture), Server(sends, lambda: True))
    account.give_again(Server(sends))
    place = client.download_artifacts(run_id, "plots/roc.png")
    assert Path(place).read_text() == "later"


def test_what_is_refused_of_an_entry_that_an_outage_breaks_off_is_told_once(
    database: str, client: MlflowClient
) -> None:
    run_id, away = new_run(client), [True]
    points = [[name, 1.0, 1, 0] for name in ("bad@name", "a", "b", "c")]
    path = journal_of(database, Entry(run_id, "metrics", points))

    def sends(entry: Entry) -> None:
        if away and entry.data == points[2:]:
            away.pop()
            raise ConnectionError
        send(client, entry)

    with Journal(path) as journal:
        with pytest.raises(ConnectionError):
            journal.deliver(Server(sends))
        journal.deliver(Server(sends))
        assert len(journal.missing()) == 1
    assert metrics_of(client, run_id).keys() == {"a", "b", "c"}


@pytest.mark.usefixtures("impatient")
def test_figures_for_a_run_that_was_deleted_wait_for_it_and_one_elsewhere_is_told(
    database: str, client: MlflowClient
) -> None:
    """While the server is there, and in an outage; neither is an error."""
    deleted, said = new_run(client), list[str]()
    client.delete_run(deleted)
    with (
        tracker_of(database, said) as tracker,
        tracker.run("train", name="n", params={}, tags={}) as run,
    ):
        add_to_others(tracker, deleted, "before")
        with locked(database):
            run.log_metrics({"loss": 0.5})
            add_to_others(tracker, deleted, "in_it")
    restore = f"mlflow runs restore --run-id {deleted}, then: susystream runs deliver {KEPT}/"
    waits = [line for line in said if line.startswith("its training is deleted; restore it: ")]
    assert [restore in line for line in waits] == [True, True]
    assert said.count("that run is not on this tracking server") == 2
    assert said[-1] == "the tracking server is back: all else that was kept is there"
    asides = [line.rpartition(" ")[2] for line in waits]
    assert f"restore it: MLFLOW_TRACKING_URI={database} mlflow" in str(deliver(*asides).exception)
    client.restore_run(deleted)
    assert deliver(*asides).exit_code == 0
    assert metrics_of(client, deleted) == {"before": 0.5, "in_it": 0.5}


def add_to_others(tracker: Tracker, deleted: str, figure: str) -> None:
    tracker.add_metrics(deleted, {figure: 0.5}, whose="its training")
    tracker.add_metrics("f" * 32, {figure: 0.5}, whose="that run")


@pytest.mark.usefixtures("impatient")
def test_what_was_set_aside_is_tried_again_while_its_run_goes_on(
    database: str, client: MlflowClient
) -> None:
    def logs() -> None:
        with tracker_of(database, []) as tracker:
            with tracker.run("train", name="n", params={"a": 1}, tags={}) as run:
                with locked(database):
                    run.log_metrics({"loss": 0.5})
                    run.log_params({"a": 2}, known={})
                assert deliver(set_aside()).exit_code == 1
                found = stored(client, run.run_id)
                assert (found.info.status, "error" in found.data.tags) == ("RUNNING", False)
            assert stored(client, run.run_id).info.status == "FINISHED"

    with pytest.raises(TrackingError, match="a refusal"):
        logs()


@pytest.mark.usefixtures("impatient")
def test_what_was_taken_is_not_sent_again_with_what_was_set_aside(
    database: str, client: MlflowClient
) -> None:
    ids: list[str] = []

    def logs() -> None:
        with (
            tracker_of(database, []) as tracker,
            tracker.run("train", name="n", params={"a": 1}, tags={}) as run,
        ):
            ids.append(run.run_id)
            with locked(database):
                log_state(run, "epoch 1")
                run.log_params({"a": 2}, known={})
            set_aside()
            log_state(run, "trained")

    with pytest.raises(TrackingError, match="Changing param"):
        logs()
    kept = set_aside()
    assert deliver(kept).exit_code == 1
    assert state_of(client, ids[0]) == ("trained", "trained")
    assert "epoch 1" not in kept.read_text()
    assert not kept.with_suffix("").exists(), "copies of files"


def log_state(run: TrackedRun, word: str) -> None:
    run.set_note(word)
    run.log_artifact_text("plots/state.txt", word)


def state_of(client: MlflowClient, run_id: str) -> tuple[str, str]:
    note = stored(client, run_id).data.tags[NOTE]
    return note, Path(client.download_artifacts(run_id, "plots/state.txt")).read_text()


@pytest.mark.parametrize("later", [True, False])
def test_what_was_set_aside_replaces_what_stood_there_then_and_nothing_later(
    database: str, client: MlflowClient, later: bool
) -> None:
    run_id = new_run(client)
    put_state(client, run_id, "former")
    kept = Path("kept/state.txt")
    kept.parent.mkdir()
    kept.write_text("kept")
    note = Entry(run_id, "tags", {NOTE: "kept", "new": "kept"})
    path = journal_of(database, note, Entry(run_id, "file", "plots", kept))

    def sends(entry: Entry) -> None:
        raise MlflowException("an error inside the server")

    there = Server(sends, lambda: True, partial(standing, client))
    with Journal(path) as journal:
        journal.deliver(there)
        aside = journal.finish(there)
    assert aside == path.with_suffix(".refused")
    if later:
        put_state(client, run_id, "later")
    done = deliver(aside)
    assert done.exit_code == 0
    word = "later" if later else "kept"
    assert state_of(client, run_id) == (word, word)
    assert stored(client, run_id).data.tags["new"] == "kept"
    assert done.stdout.count("stays as it is there, for that came later") == 2 * later


def put_state(client: MlflowClient, run_id: str, word: str) -> None:
    client.set_tag(run_id, NOTE, word)
    client.log_text(run_id, word, "plots/state.txt")


def test_a_refusal_is_past_once_a_later_entry_of_its_name_is_there(
    database: str, client: MlflowClient
) -> None:
    run_id, refusing = new_run(client, a="first", b="first"), [True]

    def sends(entry: Entry) -> None:
        if refusing:
            refusing.pop()
            raise MlflowException("no", error_code=PERMISSION_DENIED)
        send(client, entry)

    path = journal_of(
        database,
        Entry(run_id, "tags", {"a": "refused", "b": "refused"}),
        Entry(run_id, "tags", {"a": "first"}),  # later, and again what it was
    )
    there = Server(sends, standing=partial(standing, client))
    with Journal(path) as journal:
        journal.deliver(there)
        aside = journal.finish(there)
    assert aside is not None
    assert deliver(aside).exit_code == 0
    found = stored(client, run_id).data.tags
    assert (found["a"], found["b"]) == ("first", "refused")


def test_what_is_there_and_may_be_later_stays_and_is_told(
    database: str, client: MlflowClient
) -> None:
    """Of a run that the server did not know, nobody knows what stood there."""
    run_id = new_run(client, a="there")
    tags = {"a": "kept", "b": "kept"}
    path = journal_of(database, Entry(run_id, "tags", tags, before={}))
    done = deliver(path)
    assert (done.exit_code, "a: something else is there" in str(done.exception)) == (1, True)
    found = stored(client, run_id).data.tags
    assert (found["a"], found["b"]) == ("there", "kept")
    aside = path.with_suffix(".refused")
    assert '{"a": "kept"}' in aside.read_text()


def refused_by(server: Server, database: str, *entries: Entry) -> Path:
    """What is set aside of entries that a server does not take."""
    with Journal(journal_of(database, *entries)) as journal:
        journal.deliver(server)
        aside = journal.finish(server)
    assert aside is not None
    return aside


def test_a_journal_that_was_set_aside_whole_replaces_nothing_of_a_run_that_came_later(
    database: str, client: MlflowClient
) -> None:
    run_id = new_run(client, a="newer")
    client.set_terminated(run_id, "FINISHED")
    entries = Entry(run_id, "tags", {"a": "old", "b": "old"}), ended(run_id, "KILLED")
    path = journal_of(database, *entries)
    done = deliver(path.rename(path.with_suffix(".refused")))
    assert (done.exit_code, "something else is there" in str(done.exception)) == (1, True)
    found = stored(client, run_id)
    assert (found.data.tags["a"], found.data.tags["b"]) == ("newer", "old")
    assert found.info.status == "FINISHED"


@pytest.mark.parametrize("later", ["FINISHED", "KILLED", "marked", "RUNNING"])
def test_an_end_that_was_set_aside_replaces_no_later_one_but_the_mark_of_a_kill(
    database: str, client: MlflowClient, later: str
) -> None:
    run_id = new_run(client, gone="there")

    def sends(entry: Entry) -> None:
        raise MlflowException("no", error_code=PERMISSION_DENIED)

    there = Server(sends, standing=partial(standing, client))
    tags = {"gone": "kept", "error": "its own"}
    entries = Entry(run_id, "tags", tags), ended(run_id, "FAILED")
    aside = refused_by(there, database, *entries)
    client.delete_tag(run_id, "gone")
    if later == "marked":
        mark_if_abandoned(client, stored(client, run_id), gone=True)
    else:
        client.update_run(run_id, status=later)
    done = deliver(aside)
    assert done.exit_code == 0
    found = stored(client, run_id)
    assert found.info.status == (later if later in ("FINISHED", "KILLED") else "FAILED")
    assert "gone" not in found.data.tags, "it was removed since"
    assert found.data.tags["error"] == "its own"


def set_aside() -> Path:
    """What a thread sets aside, once it has."""
    ends = time.monotonic() + 20
    while not (found := list(KEPT.glob("*.refused"))):
        assert time.monotonic() < ends, list(KEPT.iterdir())
        time.sleep(0.02)
    return found[0]
