"""The local SQLite database of MLflow, made once.

In: a tracking URI. Out: a database with its tables, if it is a local SQLite file; two processes
that make the tables at the same time would break each other, so one waits.
"""

from __future__ import annotations

import fcntl
import time
from pathlib import Path
from typing import IO

from susystream.errors import TrackingError
from susystream.tracking.address import sqlite_file

_POLL_SECONDS = 0.05
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
    with path.with_name(path.name + ".lock").open("a") as handle:
        _wait_for(handle, path)
        if not path.exists() or path.stat().st_size == 0:
            from mlflow import MlflowClient

            MlflowClient(tracking_uri=uri).search_experiments(max_results=1)


def _wait_for(handle: IO[str], path: Path) -> None:
    """Takes the lock, which goes with the file's closing or the process's end."""
    ends = time.monotonic() + _LONGEST_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > ends:
                raise TrackingError(
                    f"expected to make MLflow's tables in {path}, received: another process has "
                    f"held {handle.name} for {_LONGEST_SECONDS:.0f} s; end it or name another file"
                ) from None
            time.sleep(_POLL_SECONDS)
        else:
            return
