"""The local SQLite database of MLflow, made once.

In: a tracking URI. Out: a database with its tables, if it is a local SQLite file; two processes
that make the tables at the same time would break each other, so one waits.
"""

from __future__ import annotations

from susystream.errors import TrackingError
from susystream.file_lock import file_lock
from susystream.tracking.address import sqlite_file

_LONGEST_SECONDS = 120.0  # making the tables takes 3 s, on a busy machine many times that


def ready_database(uri: str) -> None:
    """Makes the tables unless the file is there already; does nothing for other addresses.

    Raises:
        TrackingError: Another process has been making them for minutes.
    """
    path = sqlite_file(uri)
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(path.name + ".lock")

    def late(known: str) -> TrackingError:
        return TrackingError(
            f"expected to make MLflow's tables in {path}, received: {known}; "
            "end it or name another file"
        )

    with file_lock(lock, deadline_seconds=_LONGEST_SECONDS, late=late):
        if not path.exists() or path.stat().st_size == 0:
            from mlflow import MlflowClient

            MlflowClient(tracking_uri=uri).search_experiments(max_results=1)
