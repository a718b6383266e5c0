"""The local SQLite database of MLflow, made once.

In: a tracking URI. Out: a database with its tables, if it is a local SQLite file; two processes
that make the tables at the same time would break each other, so one waits.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from susystream.errors import TrackingError
from susystream.file_lock import file_lock
from susystream.tracking.address import sqlite_file
from susystream.tracking.address_check import check_address

_LONGEST_SECONDS = 120.0  # making the tables takes 3 s, on a busy machine many times that


def check_ready(uri: str, *, timeout_seconds: float) -> None:
    """As `check_address`; a database that another process is just making is waited for.

    Raises:
        TrackingError: The address cannot be right, or nothing answers there.
    """
    try:
        check_address(uri, timeout_seconds=timeout_seconds)
    except TrackingError:
        path = sqlite_file(uri)
        if path is None or not path.name or not _lock_of(path).exists():
            raise
        with _alone(path):  # half of its tables look like another program's
            check_address(uri, timeout_seconds=timeout_seconds)


def ready_database(uri: str) -> None:
    """Makes the tables unless the file is there already; does nothing for other addresses.

    Raises:
        TrackingError: Another process has been making them for minutes.
    """
    path = sqlite_file(uri)
    if path is None:
        return
    with _alone(path):
        if not path.exists() or path.stat().st_size == 0:
            from mlflow import MlflowClient

            MlflowClient(tracking_uri=uri).search_experiments(max_results=1)


def _lock_of(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _alone(path: Path) -> AbstractContextManager[None]:
    def late(known: str) -> TrackingError:
        return TrackingError(
            f"expected to make MLflow's tables in {path}, received: {known}; "
            "end it or name another file"
        )

    return file_lock(_lock_of(path), deadline_seconds=_LONGEST_SECONDS, late=late)
