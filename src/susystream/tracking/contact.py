"""The first contact with a tracking server, and waiting for one that went away.

In: its address. Out: MLflow's client of a server that answered, or one line.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from susystream.disclosure import public_uri
from susystream.tracking.address import quiet, tracking_errors
from susystream.tracking.local_database import check_ready, ready_database
from susystream.tracking.outage import is_outage

if TYPE_CHECKING:
    from mlflow import MlflowClient

_POLL_SECONDS = 1.0
_log = logging.getLogger(__name__)


def opened(
    uri: str,
    *,
    timeout_seconds: float,
    patience_seconds: float = 0.0,
    say: Callable[[str], None] = _log.warning,
) -> MlflowClient:
    """A client; a local database is made if there is none.

    Args:
        uri: The address.
        timeout_seconds: For each answer.
        patience_seconds: For a server that went away to be back.
        say: Tells a person of the waiting.

    Raises:
        TrackingError: Nothing that serves requests stands there.
    """
    quiet(timeout_seconds)
    from mlflow import MlflowClient

    with tracking_errors(uri):
        check_ready(uri, timeout_seconds=timeout_seconds)
        ready_database(uri)
        client = MlflowClient(tracking_uri=uri)
        if patience_seconds:
            wait_for(client, uri, patience_seconds, say=say)
        client.search_experiments(max_results=1)
    return client


def check_early(uri: str, *, timeout_seconds: float) -> None:
    """Refuses an address that cannot be right, before anything is made or waited for.

    Raises:
        TrackingError: As `check_ready`.
    """
    quiet(timeout_seconds)
    with tracking_errors(uri):
        check_ready(uri, timeout_seconds=timeout_seconds)


def wait_for(client: MlflowClient, uri: str, seconds: float, *, say: Callable[[str], None]) -> None:
    """Until the server answers, so long at most."""
    ends, told = time.monotonic() + seconds, False
    while not _answers_to(client, uri) and time.monotonic() < ends:
        if not told:
            say(f"waiting for the tracking server at {public_uri(uri)}")
            told = True
        time.sleep(_POLL_SECONDS)


def answers(client: MlflowClient) -> bool:
    """Whether the server answers at the moment."""
    try:
        client.search_experiments(max_results=1)
    except Exception:  # whatever it is: it does not
        return False
    return True


def _answers_to(client: MlflowClient, uri: str) -> bool:
    try:
        client.search_experiments(max_results=1)
    except Exception as error:
        if not is_outage(error):
            with tracking_errors(uri):
                raise
        return False
    return True
