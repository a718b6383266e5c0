"""The local SQLite database of MLflow, made once.

In: a tracking URI. Out: a database with its tables, if it is a local SQLite file; two processes
that make the tables at the same time would break each other, so one waits.
"""

from __future__ import annotations

import fcntl
from pathlib import Path

_PREFIX = "sqlite:///"


def ready_database(uri: str) -> None:
    """Makes the tables unless the file is there already; does nothing for other addresses."""
    if not uri.startswith(_PREFIX):
        return
    path = Path(uri.removeprefix(_PREFIX).partition("?")[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(path.name + ".lock")
    with lock.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not path.exists() or path.stat().st_size == 0:
            from mlflow import MlflowClient

            MlflowClient(tracking_uri=uri).search_experiments(max_results=1)
