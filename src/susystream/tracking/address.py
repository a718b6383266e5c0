"""The tracking server's address: how it is shown, and whether something usable stands there.

In: a tracking URI. Out: the URI without secrets, the command that opens the UI, errors of ours.
"""

from __future__ import annotations

import logging
import math
import os
import re
import shlex
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from susystream.errors import SusystreamError, TrackingError
from susystream.settings import public_uri
from susystream.tracking.schema import upgrade_cure

DEFAULT_FILE = "mlflow.db"
DEFAULT_URI = f"sqlite:///{DEFAULT_FILE}"
_SQLITE = "sqlite:///"
SERVERS = ("http", "https")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_LONGEST = 240
_UNWRITABLE = ("unable to open", "readonly")  # of SQLite
_DELETED_RUN = re.compile(r"The run (\w+) must be in the 'active' state")
SETTING = "tracking.uri (or MLFLOW_TRACKING_URI)"
UI_URI = "SUSYSTREAM_UI_URI"  # where a browser finds the server, if elsewhere than programs do
ABSENT = f"start it or correct {SETTING}"
OTHERS = "name a database or a server: sqlite:///mlflow.db, http://host:5000"
FOLDER = f"name a database: tracking.uri={DEFAULT_URI}"
_REASONS = (  # what a message of many lines comes to
    ("Connection refused", "connection refused"),
    ("timed out", "no answer in time"),
    ("NameResolutionError", "no such host"),
    ("Connection aborted", "connection lost"),
    ("database is locked", "the database is locked"),
    ("got unsupported URI", "a scheme that is not known here"),
    ("out-of-date database schema", "the schema of another MLflow version"),
    ("error responses", "an error inside the server"),
)
_CURES = (  # what a message holds, and what helps
    ("Invalid experiment name", "name the experiment: tracking.experiment=..."),
    ("exceeds the maximum length", "give a shorter name (tracking.experiment)"),
    ("'active' state", "restore it (mlflow experiments restore), or name another"),
    ("error code 401", "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
    ("error code 403", "ask for the permission, or log in as another user"),
    ("maintenance mode", FOLDER),
    ("unsupported URI", OTHERS),
    ("Unity Catalog tracking URI", OTHERS),
    ("No module named", "install the database's driver beside MLflow"),
    ("No space left", "free disk space"),
    ("database is locked", "end the command that holds it, or wait for its end"),
    ("Invalid value", "correct the value"),
    ("error code 404", ABSENT),  # a server of another kind, whose page may say "not found"
    ("not found", "correct the id, or name the server that holds it (tracking.uri)"),
    ("RESOURCE_DOES_NOT_EXIST", "correct the id, or name the server that holds it (tracking.uri)"),
)


def scheme_of(uri: str) -> str:
    """What stands before the first colon, a driver with it; empty if that can be no scheme."""
    found = _SCHEME.match(uri)
    return found[1].lower() if found else ""


def is_foreign(uri: str) -> bool:
    """Whether an address is neither a server's nor a database's: a plugin of MLflow may know it."""
    return scheme_of(uri).partition("+")[0] not in (*SERVERS, *DATABASES)


def is_server(uri: str) -> bool:
    """Whether an address is that of an MLflow server, which has a UI of its own."""
    return uri.startswith(("http://", "https://"))


def ui_hint(uri: str, *, place: str | None = None) -> str:
    """What to type, or where to look, to see the runs.

    Args:
        uri: Of the tracking server.
        place: Of a run within the UI, which opens on another page.
    """
    shown = _shown(uri)
    if is_server(uri):
        shown = _of_a_browser(uri) or shown
        return f"{shown.rstrip('/')}/{place}" if place else shown
    command = f"mlflow ui --backend-store-uri {shlex.quote(shown)}"
    in_checkout = shown == DEFAULT_URI and Path("MLproject").is_file()
    return f"make ui   ({command})" if in_checkout else command


def _of_a_browser(uri: str) -> str | None:
    """Where a browser finds a server; only that of the environment can have another address."""
    ours = os.environ.get("MLFLOW_TRACKING_URI", "").rstrip("/") == uri.rstrip("/")
    return public_uri(os.environ.get(UI_URI) or "") if ours else None


def restoring(run_id: str, uri: str) -> str:
    """What to type to have a run back that was deleted."""
    command = f"mlflow runs restore --run-id {run_id}"
    return f"MLFLOW_TRACKING_URI={shlex.quote(_shown(uri))} {command}" if uri else command


def _shown(uri: str) -> str:
    """`mlflow run` hands on the whole path of the usual file."""
    file = sqlite_file(uri)
    usual = file is not None and file.resolve() == Path.cwd() / DEFAULT_FILE
    return DEFAULT_URI if usual else public_uri(uri)


def sqlite_file(uri: str) -> Path | None:
    """The file of a local SQLite database; None for every other address."""
    if not uri.startswith(_SQLITE):
        return None
    return Path(uri.removeprefix(_SQLITE).partition("?")[0])


def server_of(uri: str) -> str:
    """The address by which a server is known again: without a login, a file by its whole path."""
    file = sqlite_file(uri)
    return f"{_SQLITE}{file.resolve()}" if file is not None else public_uri(uri).rstrip("/")


@contextmanager
def tracking_errors(uri: str) -> Iterator[None]:
    """Turns the errors of MLflow and of what it stands on into one line of ours."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    known: tuple[type[Exception], ...] = MlflowException, SQLAlchemyError, OSError, ImportError
    if is_foreign(uri):  # a plugin may raise whatever it likes
        known = (Exception,)
    try:
        yield
    except SusystreamError:
        raise
    except known as error:
        text = str(error)
        if (run := _DELETED_RUN.search(text)) is not None:
            raise _deleted(run[1], uri) from error
        cure = next((cure for mark, cure in _CURES if mark in text), _otherwise(uri, error))
        if "db upgrade" in text:
            found = re.search(r"found version (\w+)", text)
            cure = upgrade_cure(uri, found[1] if found else "")
        raise refused(uri, text, cure) from error


def _otherwise(uri: str, error: Exception) -> str:
    """The cure of what is not known by its words."""
    if is_foreign(uri):
        return f"correct what it names, or {SETTING}"
    if sqlite_file(uri) is None:
        return ABSENT
    if isinstance(error, OSError) or any(mark in str(error) for mark in _UNWRITABLE):
        return f"name a file that you may write, in {SETTING}"
    return "correct what it names"


def quiet(timeout_seconds: float) -> None:
    """MLflow waits for minutes and tells of its tables; a person's own settings win."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(max(1, math.ceil(timeout_seconds))))
    # a server that went away is the outbox's matter, one that never answered is absent
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    # it would print the address of every ended run, password included
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with warnings.catch_warnings():  # in a notebook, of progress bars that nobody asked for
        warnings.filterwarnings("ignore", "IProgress not found")
        import mlflow  # noqa: F401
    if "MLFLOW_LOGGING_LEVEL" not in os.environ:  # its import sets the levels, so ours come after
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        # it would print the traceback of each error of a database, which is told in one line
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def refused(uri: str, received: str, cure: str) -> TrackingError:
    """What is told of a server that does not do what is asked of it."""
    return TrackingError(
        f"expected a tracking server that serves requests at {public_uri(uri)}, "
        f"received: {reason_of(received, uri)}; {cure}"
    )


def _deleted(run_id: str, uri: str) -> TrackingError:
    return TrackingError(
        f"expected run {run_id} on the tracking server at {public_uri(uri)}, received a deleted "
        f"one; restore it: {restoring(run_id, uri)}"
    )


def reason_of(received: str, uri: str) -> str:
    """What a message of many lines comes to, without secrets."""
    text = " ".join(_without_secrets(received, uri).split())
    text = next((short for mark, short in _REASONS if mark in text), text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _without_secrets(text: str, uri: str) -> str:
    text = text.replace(uri, public_uri(uri))
    try:
        password = urlsplit(uri).password
    except ValueError:  # no address at all
        password = None
    for secret in {password, unquote(password)} if password else ():
        text = text.replace(secret, "***")
    return text
