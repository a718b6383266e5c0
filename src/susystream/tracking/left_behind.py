"""What commands that have ended kept for a tracking server that was away.

In: journals. Out: their entries on the server, once it is back, and runs with their true ends.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from susystream.errors import TrackingError
from susystream.tracking.abandoned import mark_if_abandoned, unmark
from susystream.tracking.address import reason_of, server_of, tracking_errors
from susystream.tracking.contact import answers, opened
from susystream.tracking.delivery import Server
from susystream.tracking.entries import send
from susystream.tracking.journal import ENDING, InUse, Journal, KeptRun, refusal
from susystream.tracking.journal_folder import journals, sweep
from susystream.tracking.outage import is_outage
from susystream.tracking.replaced import standing, was_marked

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of a journal.

    Attributes:
        path: The journal's.
        server: Whose entries it held; empty if that cannot be read.
        runs: Their ids.
        missing: What the server does not have of it, on one line; empty if it has all.
        notes: What else is to be said.
    """

    path: Path
    server: str = ""
    runs: tuple[str, ...] = ()
    missing: str = ""
    notes: tuple[str, ...] = ()


def deliver_all(
    folder: Path, uri: str, client: MlflowClient, *, say: Callable[[str], None]
) -> None:
    """Delivers what ended commands left in a folder for one server.

    Journals of commands that still run are theirs; one that cannot be delivered stays, and stops
    no other.

    Args:
        folder: Of journals.
        uri: Of the server.
        client: Of the server.
        say: Tells a person of each journal as soon as it is done: the next may be the last.

    Raises:
        TrackingError: The server went away.
    """
    for path in journals(folder):
        with tracking_errors(uri):  # what the terminal does is none of them
            one = _tried(path, uri, client)
        for line in _told(one) if one is not None else ():
            say(line)
    sweep(folder)


def deliver(path: Path, *, uri: str | None, timeout_seconds: float) -> Delivered | None:
    """Delivers one journal; None if another process just did.

    Args:
        path: Of it, or of one that was set aside.
        uri: Where its runs are now; None for the address that it names, with the login of
            MLFLOW_TRACKING_URI if that is the same.
        timeout_seconds: For the server to answer.

    Raises:
        TrackingError: The server is still away, or the file is no journal.
        InUse: Another process delivers it.
    """
    try:
        address = uri or _with_login(Journal(path).server())
    except FileNotFoundError:
        return None
    client = opened(address, timeout_seconds=timeout_seconds)
    try:
        return _delivered(path, client, named=uri is not None)
    except FileNotFoundError:
        return None
    except InUse:
        raise
    except Exception:
        with tracking_errors(address):
            raise


def _tried(path: Path, uri: str, client: MlflowClient) -> Delivered | None:
    """None if it is of another server, or another process has it or had it."""
    try:
        if Journal(path).server() == server_of(uri):
            return _delivered(path, client)
    except (InUse, FileNotFoundError):
        pass
    except TrackingError as error:
        return Delivered(path, missing=str(error))
    except Exception as error:
        if is_outage(error) and not answers(client):
            raise
        return Delivered(
            path,
            missing=f"expected the tracking server to take what {path} keeps for it, received: "
            f"{reason_of(str(error), uri)}; it stays there, and the next command tries again",
        )
    return None


def _told(one: Delivered) -> list[str]:
    there = f"what {one.path} kept for this tracking server is there"
    return [one.missing or there, *one.notes]


def _with_login(server: str) -> str:
    given = os.environ.get("MLFLOW_TRACKING_URI")
    return given if given and server_of(given) == server else server


def _delivered(path: Path, client: MlflowClient, *, named: bool = False) -> Delivered:
    """What became of it; where a person named the server, it may have been the wrong one."""
    there = Server(
        partial(send, client),
        partial(answers, client),
        partial(standing, client),
        client.tracking_uri,
        partial(was_marked, client),
    )
    with Journal(path) as journal:
        runs, server = journal.runs(), journal.server()
        journal.deliver(there)
        if journal.account.left:
            journal.deliver(there)  # it may have been of that moment
        _end_truly(client, runs, left=path.suffix == ENDING)
        aside = journal.finish(there, stays=named)
        missing = refusal(journal, aside) if aside else ""
        return Delivered(path, server, tuple(runs), missing, tuple(journal.account.notes))


def _end_truly(client: MlflowClient, runs: Mapping[str, KeptRun], *, left: bool) -> None:
    """A run is what its process said, whatever others took it for, or was killed before it said.

    Args:
        client: Of the server.
        runs: Those of a journal whose lock nobody else held.
        left: Whether the process that opened its own runs is then gone: one that lives sets a
            journal aside and goes on.
    """
    from mlflow.exceptions import MlflowException

    for run_id, kept in runs.items():
        try:
            if kept.ended:
                unmark(client, run_id)
            else:
                mark_if_abandoned(client, client.get_run(run_id), gone=kept.own and left)
        except MlflowException as error:
            if is_outage(error):
                raise  # else the run is not there, as the refusals of its entries say
