"""What commands that have ended kept for a tracking server that was away.

In: journals. Out: their entries on the server, once it is back, and runs with their true ends.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from susystream.errors import TrackingError
from susystream.tracking.abandoned import mark_if_abandoned, unmark
from susystream.tracking.address import server_of, tracking_errors
from susystream.tracking.contact import opened
from susystream.tracking.entries import send
from susystream.tracking.journal import ENDING, InUse, Journal, refusal
from susystream.tracking.outage import is_outage

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of a journal.

    Attributes:
        path: The journal's.
        server: Whose entries it held.
        runs: Their ids.
        refused: What the server will never take, on one line; empty if it took all.
    """

    path: Path
    server: str
    runs: tuple[str, ...]
    refused: str = ""


def deliver_all(folder: Path, uri: str, client: MlflowClient) -> list[Delivered]:
    """Delivers what ended commands left in a folder for one server.

    Journals of commands that still run are theirs; one that is damaged is nobody's.

    Raises:
        Exception: MLflow's own: the server went away.
    """
    wanted = [path for path in journals(folder) if _server(path) == server_of(uri)]
    return [found for path in wanted if (found := _delivered(path, client))]


def journals(folder: Path) -> list[Path]:
    """All of them, the oldest first."""
    return sorted(folder.glob(f"*{ENDING}"))


def kept_runs(folder: Path) -> set[str]:
    """The runs of all journals that are there, whoever has them now."""
    found: set[str] = set()
    for path in journals(folder):
        with suppress(TrackingError, FileNotFoundError):
            found |= Journal(path).ends().keys()
    return found


def deliver(path: Path, *, uri: str | None, timeout_seconds: float) -> Delivered:
    """Delivers one journal.

    Args:
        path: Of it, or of one that was set aside.
        uri: Where its runs are now; None for the address that it names, with the login of
            MLFLOW_TRACKING_URI if that is the same.
        timeout_seconds: For the server to answer.

    Raises:
        TrackingError: The server is still away, the file is no journal, or in use.
    """
    address = uri or _with_login(Journal(path).server())
    client = opened(address, timeout_seconds=timeout_seconds)
    with tracking_errors(address):
        found = _delivered(path, client)
    if found is None:
        raise TrackingError(
            f"expected {path} of a command that has ended, received one in use by another "
            "process, which delivers it; wait for it or end it"
        )
    return found


def _server(path: Path) -> str | None:
    try:
        return Journal(path).server()
    except (TrackingError, FileNotFoundError):
        return None


def _with_login(server: str) -> str:
    given = os.environ.get("MLFLOW_TRACKING_URI")
    return given if given and server_of(given) == server else server


def _delivered(path: Path, client: MlflowClient) -> Delivered | None:
    """None if another process has it, or had it."""
    try:
        with Journal(path) as journal:
            ends, server = journal.ends(), journal.server()
            journal.deliver(partial(send, client))
            for run_id, ended in ends.items():
                _end_truly(client, run_id, ended=ended)
            aside = journal.finish()
            refused = refusal(journal, aside) if aside else ""
            return Delivered(path, server, tuple(ends), refused)
    except (InUse, FileNotFoundError):
        return None


def _end_truly(client: MlflowClient, run_id: str, *, ended: bool) -> None:
    """A run is what its process said, whatever others took it for, or was killed before it said."""
    from mlflow.exceptions import MlflowException

    try:
        if ended:
            unmark(client, run_id)
        else:
            mark_if_abandoned(client, client.get_run(run_id))
    except MlflowException as error:
        if is_outage(error):
            raise  # else the run is not there, as the refusals of its entries say
