"""The first contact with a tracking server.

In: its address. Out: MLflow's client of a server that answered, or one line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from susystream.tracking.address import quiet, tracking_errors
from susystream.tracking.local_database import check_ready, ready_database

if TYPE_CHECKING:
    from mlflow import MlflowClient


def opened(uri: str, *, timeout_seconds: float) -> MlflowClient:
    """A client; a local database is made if there is none.

    Raises:
        TrackingError: Nothing that serves requests stands there.
    """
    quiet(timeout_seconds)
    from mlflow import MlflowClient

    with tracking_errors(uri):
        check_ready(uri, timeout_seconds=timeout_seconds)
        ready_database(uri)
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    return client
