"""Whether an address can be that of a tracking server.

In: a tracking URI. Out: nothing, or one line: why it cannot be right, or that nothing answers.
"""

from __future__ import annotations

import re
import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from susystream.disclosure import public_uri
from susystream.tracking.address import (
    ABSENT,
    DEFAULT_URI,
    FOLDER,
    OTHERS,
    SETTING,
    refused,
    sqlite_file,
)
from susystream.tracking.schema import known_schemas, upgrade_cure

_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
_SERVERS = {"http", "https"}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_BARE_HOST = re.compile(r"(?:[^/\s]*@)?[\w.-]+:\d+(?:/.*)?")


def check_address(uri: str, *, timeout_seconds: float) -> None:
    """Refuses what is no address, a database MLflow would retry for minutes, or migrate unasked.

    Nothing is written. An HTTP server is left to the first request, which may go by a proxy.

    Raises:
        TrackingError: No database answers, the file or its folder is none, or another MLflow
            version made it; or MLflow knows no such address.
    """
    file = sqlite_file(uri)
    if file is not None:
        _check_named(uri, file)
        _check_sqlite(uri, file, timeout_seconds)
        return
    kind = _kind_of(uri)
    host, port = _place_of(uri)
    if kind in _SERVERS and not host:
        raise refused(uri, "no host", f"correct {SETTING}")
    if kind in _PORTS and host:
        try:
            socket.create_connection((host, port or _PORTS[kind]), timeout=timeout_seconds).close()
        except OSError as error:
            raise refused(uri, str(error), ABSENT) from error


def _kind_of(uri: str) -> str:
    """The scheme without a driver, if MLflow knows it."""
    found = _SCHEME.match(uri)
    kind = found[1].lower().partition("+")[0] if found else ""
    if kind == "sqlite" and "+" not in uri.partition(":")[0]:
        file = uri.partition("://")[2].lstrip("/") or DEFAULT_URI.rpartition("/")[2]
        raise refused(uri, "two slashes instead of three", f"did you mean sqlite:///{file}?")
    if kind in {*_SERVERS, *_PORTS, "sqlite"}:
        return kind
    if _BARE_HOST.fullmatch(uri):
        raise refused(uri, "no scheme", f"did you mean http://{public_uri(uri)}?")
    if kind == "file" or (not found and ":" not in uri and uri != "databricks"):
        raise refused(uri, "a folder, or a file without a scheme", FOLDER)
    raise refused(uri, "a scheme that is not known here", OTHERS)


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
        reading = f"{file.resolve().as_uri()}?mode=ro"
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
