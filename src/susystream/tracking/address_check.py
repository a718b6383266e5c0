"""Whether an address can be that of a tracking server.

In: a tracking URI. Out: nothing, or one line: why it cannot be right, or that nothing answers.
"""

from __future__ import annotations

import re
import socket
import sqlite3
from contextlib import closing
from difflib import get_close_matches
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import urlsplit

from susystream.disclosure import public_uri
from susystream.tracking.address import (
    ABSENT,
    DATABASES,
    DEFAULT_URI,
    FOLDER,
    SERVERS,
    SETTING,
    is_foreign,
    refused,
    scheme_of,
    sqlite_file,
)
from susystream.tracking.schema import known_schemas, upgrade_cure

_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
_WORDS = ("databricks", "databricks-uc", "uc")  # MLflow's addresses that are no more than that
_NEAR = 0.75  # htp is near http, postgres near postgresql; ftp and s3 are near none
_BARE_HOST = re.compile(r"(?:[^/\s]*@)?[\w.-]+:\d+(?:/.*)?")


def check_address(uri: str, *, timeout_seconds: float) -> None:
    """Refuses what is no address, a database MLflow would retry for minutes, or migrate unasked.

    Nothing is written. An HTTP server is left to the first request, which may go by a proxy; of
    an address of another kind MLflow says whether it or a plugin knows it.

    Raises:
        TrackingError: No database answers, the file or its folder is none, or another MLflow
            version made it; or the address is surely wrong.
        Exception: MLflow's own, or a plugin's: an address of another kind is none of theirs.
    """
    file = sqlite_file(uri)
    if file is not None:
        _check_named(uri, file)
        _check_sqlite(uri, file, timeout_seconds)
        return
    _check_scheme(uri)
    if is_foreign(uri):
        from mlflow import MlflowClient

        MlflowClient(tracking_uri=uri)
        return
    kind = scheme_of(uri).partition("+")[0]
    host, port = _place_of(uri)
    if kind in SERVERS and not host:
        raise refused(uri, "no host", f"correct {SETTING}")
    if kind in _PORTS and host:
        try:
            socket.create_connection((host, port or _PORTS[kind]), timeout=timeout_seconds).close()
        except OSError as error:
            raise refused(uri, str(error), ABSENT) from error


def _check_scheme(uri: str) -> None:
    """Refuses what is surely wrong; other schemes may be those of plugins."""
    scheme, rest = scheme_of(uri), uri.partition(":")[2]
    if _BARE_HOST.fullmatch(uri):
        raise refused(uri, "no scheme", f"did you mean http://{public_uri(uri)}?")
    if scheme == "file" or not (scheme or uri in _WORDS):
        raise refused(uri, "a folder, or a file without a scheme", FOLDER)
    if scheme == "sqlite":
        file = public_uri(uri).partition(":")[2].lstrip("/") or DEFAULT_URI.rpartition("/")[2]
        raise refused(uri, "two slashes instead of three", f"did you mean sqlite:///{file}?")
    if scheme not in _plugins():
        _check_spelling(uri, scheme, rest)


def _plugins() -> set[str]:
    return {one.name for one in entry_points(group="mlflow.tracking_store")}


def _check_spelling(uri: str, scheme: str, rest: str) -> None:
    kind, plus, driver = scheme.partition("+")
    for meant in get_close_matches(kind, (*SERVERS, *DATABASES), n=1, cutoff=_NEAR):
        if meant == kind and rest.startswith("//"):
            return
        told = "no // behind the scheme" if meant == kind else "a scheme that is not known here"
        place = rest if rest.startswith("//") else f"//{rest.lstrip('/')}"
        shown = public_uri(f"{meant}{plus}{driver}:{place}")
        raise refused(uri, told, f"did you mean {shown}?")


def _place_of(uri: str) -> tuple[str | None, int | None]:
    """Host and port; what cannot be read is not repeated, for it may be a part of a password."""
    try:
        parts = urlsplit(uri)
        return parts.hostname, parts.port
    except ValueError as error:
        cure = f"correct {SETTING}; of a password, write marks as %2F or the like"
        raise refused(uri, "no readable host and port", cure) from error


def _check_named(uri: str, file: Path) -> None:
    cure = f"name a file: {DEFAULT_URI}"
    if str(file) == ":memory:":
        raise refused(uri, "a database in memory, which ends with the command", cure)
    if not file.name:
        raise refused(uri, "no name of a file", cure)


def _check_sqlite(uri: str, file: Path, timeout_seconds: float) -> None:
    if not file.parent.is_dir():
        cure = f"make it, or correct {SETTING}"
        raise refused(uri, f"there is no folder {file.parent}", cure)
    if not file.exists() or file.stat().st_size == 0:
        return
    try:
        # rw: what a killed process left half written is taken back by whoever may write alone
        reading = f"{file.resolve().as_uri()}?mode=rw"
        with closing(sqlite3.connect(reading, uri=True, timeout=timeout_seconds)) as database:
            tables = {name for (name,) in database.execute("select name from sqlite_master")}
            marked = "alembic_version" in tables
            query = "select version_num from alembic_version"
            versions = [row[0] for row in database.execute(query)] if marked else []
    except sqlite3.Error as error:
        raise refused(uri, str(error), "name a database file of MLflow, or a new one") from error
    if tables and not marked:
        raise refused(uri, "a database of another program", "name another file")
    expected = next(iter(known_schemas()), None)  # None: MLflow says it at its first request
    if expected and versions and versions != [expected]:
        text = f"the schema {versions[0]} of another MLflow version instead of {expected}"
        raise refused(uri, text, upgrade_cure(uri, versions[0]))
