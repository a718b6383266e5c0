"""What was kept for a tracking server reaches it, whatever became of the files it is kept in."""

from __future__ import annotations

import gc
import os
import resource
import shutil
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from sqlalchemy import Engine, event

from susystream.commands import cli
from susystream.errors import TrackingError
from susystream.tracking.abandoned import mark_abandoned, mark_if_abandoned
from susystream.tracking.contact import opened
from susystream.tracking.delivery import Account, Server
from susystream.tracking.entries import Entry, send
from susystream.tracking.journal import Journal
from susystream.tracking.journal_folder import kept_runs
from susystream.tracking.label import NOTE, PARENT, PROCESS
from susystream.tracking.left_behind import deliver_all
from susystream.tracking.recipe_runs import RecipeRun, open_runs
from susystream.tracking.replaced import standing
from susystream.tracking.tracked_run import TrackedRun
from susystream.tracking.tracker import Tracker

KEPT = Path(".susystream/tracking")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> str:
    """One database for this module."""
    folder = tmp_path_factory.mktemp("tracking")
    address = f"sqlite:///{shutil.copy(empty_database, folder)}"
    opened(address, timeout_seconds=10)
    return address


@pytest.fixture
def client(database: str) -> MlflowClient:
    return MlflowClient(database)


def new_run(client: MlflowClient, **tags: str) -> str:
    return str(client.create_run("0", tags=tags).info.run_id)


def metrics(run_id: str, name: str, value: float = 1.0, **more: Any) -> Entry:
    return Entry(run_id, "metrics", [[name, value, 1, 0]], **more)


def journal_of(address: str, *entries: Entry, folder: Path = KEPT) -> Path:
    """What a command that ended left."""
    journal = Journal.begin(folder, address, entries[0])
    for entry in entries[1:]:
        journal.append(entry)
    journal.unlock()
    return journal.path


def damage(path: Path, number: int) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    lines[number] = lines[number][:20] + b"\0\xff\n"
    path.write_bytes(b"".join(lines))


def deliver(*words: str | Path, **environment: str) -> Result:
    return CliRunner().invoke(cli, ["runs", "deliver", *map(str, words)], env=environment)


def tracker_of(
    address: str, said: list[str], experiment: str = "tests", **settings: Any
) -> Tracker:
    return Tracker(address, experiment, **{"system_metrics": False, "say": said.append, **settings})


def begin(address: str, **settings: Any) -> list[str]:
    """A command that begins a run; what it says."""
    said: list[str] = []
    with (
        tracker_of(address, said, **settings) as tracker,
        tracker.run("train", name="n", params={}, tags={}),
    ):
        pass
    return said


def metrics_of(client: MlflowClient, run_id: str) -> dict[str, float]:
    return dict(client.get_run(run_id).data.metrics)


def test_damaged_journals_stop_no_command_and_no_other_journal(
    database: str, client: MlflowClient
) -> None:
    damaged, sound = new_run(client), new_run(client)
    path = journal_of(database, *(metrics(damaged, name) for name in "abc"))
    damage(path, 2)
    (KEPT / "a-folder.jsonl").mkdir()
    (KEPT / "notes.jsonl").write_text("hello\n")
    journal_of(database, metrics(sound, "a"))
    assert kept_runs(KEPT) == {damaged, sound}
    said = begin(database)
    assert metrics_of(client, damaged) == {"a": 1.0, "c": 1.0}
    assert metrics_of(client, sound) == {"a": 1.0}
    assert len(said) == 4, said
    for place in ("a-folder.jsonl", "notes.jsonl", "a refusal: a damaged line;"):
        assert sum(place in line for line in said) == 1, place
    assert path.with_suffix(".refused").exists()
    assert "a-folder.jsonl" in str(deliver().exception)


@contextmanager
def full_disk(room: int) -> Iterator[None]:
    """No file of this process may become longer than so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_halfway_through_a_line_harms_no_other_line(tmp_path: Path) -> None:
    journal = Journal.begin(tmp_path, "sqlite:///x", Entry("r" * 32, "tags", {"a": "1"}))
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"x" * 9000)
    with full_disk(room=journal.path.stat().st_size + 40):
        for entry in (
            Entry("r" * 32, "tags", {"long": "x" * 5000}),
            Entry("r" * 32, "file", None, picture),
        ):
            with pytest.raises(TrackingError, match="free disk space"):
                journal.append(entry)
    journal.append(Entry("r" * 32, "tags", {"b": "2"}))
    sent: list[Entry] = []
    journal.deliver(Server(sent.append))
    assert [one.data for one in sent] == [{"a": "1"}, {"b": "2"}]
    assert journal.finish(Server(sent.append)) is None
    assert list(tmp_path.iterdir()) == [picture]


def test_a_journal_that_cannot_be_begun_leaves_nothing(tmp_path: Path) -> None:
    long = Entry("r" * 32, "tags", {"long": "x" * 5000})
    with full_disk(room=100), pytest.raises(TrackingError, match="free disk space"):
        Journal.begin(tmp_path, "sqlite:///x", long)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def impatient() -> Iterator[None]:
    """MLflow waits 20 s for a lock of SQLite; here a tenth of a second."""

    def shorter(_: object, __: object, text: str, given: Any, *___: object) -> tuple[str, Any]:
        return text.replace("busy_timeout = 20000", "busy_timeout = 100"), given

    event.listen(Engine, "before_cursor_execute", shorter, retval=True)
    yield
    event.remove(Engine, "before_cursor_execute", shorter)


@contextmanager
def locked(address: str, *, reads: bool = False) -> Iterator[None]:
    """Another program writes into the database, and does not come to an end.

    Args:
        address: Of the database.
        reads: Whether nobody can read meanwhile.
    """
    path = address.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin exclusive" if reads else "begin immediate")
        yield


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


def test_what_the_server_failed_at_is_not_counted_as_there(database: str) -> None:
    tags = [Entry("r" * 32, "tags", {name: "x"}) for name in "abc"]
    path = journal_of(database, *tags)

    def sends(entry: Entry) -> None:
        if "b" in entry.data:
            raise MlflowException("an error inside the server")

    with Journal(path) as journal:
        journal.deliver(Server(sends, lambda: True))
        assert journal.progress() == (2, 3)


def test_what_was_kept_for_other_servers_goes_to_no_server_that_was_not_named_for_it(
    database: str, client: MlflowClient
) -> None:
    elsewhere = "http://127.0.0.1:9"
    path = journal_of(elsewhere, metrics("e" * 32, "a"), metrics("d" * 32, "a"))
    done = deliver("--tracking-uri", database)
    assert (done.exit_code, elsewhere in str(done.exception)) == (1, True)
    done = deliver("--tracking-uri", database, path)
    assert (done.exit_code, "nothing is there" in str(done.exception)) == (1, True)
    assert path.exists()
    run_id = new_run(client)
    moved = journal_of(elsewhere, metrics(run_id, "a"))
    own = journal_of(database, metrics(run_id, "b"))
    assert deliver("--tracking-uri", database).exit_code == 0
    assert (own.exists(), moved.exists()) == (False, True)
    twice = deliver("--tracking-uri", database, moved, moved)
    assert twice.stdout.endswith(f"{moved}: delivered by another command\n")
    assert metrics_of(client, run_id).keys() == {"a", "b"}


def test_a_database_that_was_removed_is_asked_once_for_each_run_and_the_journal_set_aside(
    database: str, client: MlflowClient
) -> None:
    gone = ["e" * 32, "d" * 32]
    tags = [Entry(run_id, "tags", {str(n): "x"}) for n in range(20) for run_id in gone]
    path = journal_of(database, *tags)
    sent: list[str] = []

    def sends(entry: Entry) -> None:
        sent.append(entry.run_id)
        send(client, entry)

    with Journal(path) as journal:
        journal.deliver(Server(sends))
        assert journal.progress() == (0, 40)
    assert sorted(sent) == sorted(gone)
    (line,) = begin(database)
    aside = path.with_suffix(".refused")
    assert line.endswith(f"susystream runs deliver --tracking-uri=... {aside}; or remove it")
    assert begin(database) == []
    assert aside.exists()


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


def test_the_home_of_the_environment_is_looked_at(tmp_path: Path) -> None:
    done = deliver(SUSYSTREAM_HOME=str(tmp_path / "other"))
    assert done.stdout == f"nothing is kept in {tmp_path / 'other' / 'tracking'}\n"


def test_a_run_ends_whose_machine_was_started_again(database: str, client: MlflowClient) -> None:
    """What the run says of its process cannot be told from another machine's."""
    own, other = (new_run(client, **{PROCESS: "elsewhere/1/1.0"}) for _ in range(2))
    journal_of(database, metrics(own, "a", own=True), metrics(other, "a"))
    begin(database)
    assert stored(client, own).info.status == "KILLED"
    assert stored(client, other).info.status == "RUNNING"


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


def ended(run_id: str, status: str) -> Entry:
    return Entry(run_id, "end", {"status": status, "time": 1})


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


def test_a_journal_of_the_first_form_is_read(database: str, client: MlflowClient) -> None:
    run_id = new_run(client)
    path = journal_of(database, metrics(run_id, "a"), metrics("f" * 32, "a", whose="its training"))
    text = path.read_text().replace('"journal": 2', '"journal": 1').replace('"whose"', '"absent"')
    path.write_text(text)
    done = deliver(path)
    assert (done.exit_code, "its training is not on" in done.stdout) == (0, True)
    path = journal_of(database, metrics(run_id, "a"))
    path.write_text(path.read_text().replace('"journal": 2', '"journal": 3'))
    assert "received version 3" in str(deliver(path).exception)


def test_a_run_that_lies_below_itself_holds_nobody_up(database: str, client: MlflowClient) -> None:
    run_id = new_run(client)
    client.set_tag(run_id, PARENT, run_id)
    assert run_id not in mark_abandoned(client, "0")
    with open_runs(database) as runs:
        assert runs.recipe_of(RecipeRun(run_id, "", {}, {}, {PARENT: run_id}, {})) is None
    client.delete_run(run_id)


def set_aside() -> Path:
    """What a thread sets aside, once it has."""
    ends = time.monotonic() + 20
    while not (found := list(KEPT.glob("*.refused"))):
        assert time.monotonic() < ends, list(KEPT.iterdir())
        time.sleep(0.02)
    return found[0]


def stored(client: MlflowClient, run_id: str) -> Run:
    return client.get_run(run_id)


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


def test_what_kills_left_between_two_steps_is_swept_away(
    database: str, client: MlflowClient
) -> None:
    picture = Path("picture.png")
    picture.write_bytes(b"x")
    run_id = new_run(client)
    elsewhere = journal_of("http://127.0.0.1:9", Entry(run_id, "file", None, picture))
    begun = journal_of(database, Entry(run_id, "file", None, picture))
    draft = begun.rename(begun.with_suffix(".part"))
    old = time.time() - 7200
    os.utime(draft, (old, old))
    delivered, moved = (KEPT / f"20261126-01020{number}-000000-abc" for number in range(2))
    for copies in (delivered, moved):
        (copies / "0").mkdir(parents=True)
    delivered.with_suffix(".gone").touch()  # a kill struck before the copies were removed
    (KEPT / "mine").mkdir()
    with Journal(draft):
        deliver_all(KEPT, database, client, say=print)
        assert draft.exists(), "its process is at it"
    deliver_all(KEPT, database, client, say=print)
    left = {path.name for path in KEPT.iterdir()}
    assert left == {"mine", elsewhere.name, elsewhere.stem, moved.name}
