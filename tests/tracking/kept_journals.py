"""Journals of commands that ended, and what became of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from mlflow import MlflowClient
from mlflow.entities import Run

from susystream.commands import cli
from susystream.tracking.entries import Entry
from susystream.tracking.journal import Journal
from susystream.tracking.tracker import Tracker

KEPT = Path(".susystream/tracking")


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


def ended(run_id: str, status: str) -> Entry:
    return Entry(run_id, "end", {"status": status, "time": 1})


def stored(client: MlflowClient, run_id: str) -> Run:
    return client.get_run(run_id)
