"""What was kept for a tracking server reaches it, whatever became of the files it is kept in."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mlflow import MlflowClient
from tracking.kept_journals import (
    KEPT,
    begin,
    deliver,
    journal_of,
    metrics,
    metrics_of,
    new_run,
    stored,
)

from susystream.errors import TrackingError
from susystream.tracking.abandoned import mark_abandoned
from susystream.tracking.delivery import Server
from susystream.tracking.entries import Entry, send
from susystream.tracking.journal import Journal
from susystream.tracking.journal_folder import kept_runs
from susystream.tracking.label import PARENT, PROCESS
from susystream.tracking.left_behind import deliver_all
from susystream.tracking.recipe_runs import RecipeRun, open_runs


def damage(path: Path, number: int) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    lines[number] = lines[number][:20] + b"\0\xff\n"
    path.write_bytes(b"".join(lines))


def test_what_another_process_delivers_is_no_error_unless_it_was_named(
    database: str, client: MlflowClient
) -> None:
    journal = Journal(journal_of(database, metrics(new_run(client), "a")))
    with journal:
        done, named = deliver(), deliver(journal.path)
    assert (done.exit_code, named.exit_code) == (0, 1)
    assert done.output == f"{journal.path}: another process has it, and delivers it\n"


def test_a_home_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert deliver().output.startswith("nothing is kept in ")
    done = deliver("--home", tmp_path / "typo")
    assert (done.exit_code, "expected a home folder" in str(done.exception)) == (1, True)


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
