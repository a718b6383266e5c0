"""The lines of a journal.

In: entries, or bytes of a file. Out: lines that are there whole or not at all; entries; errors of
ours where the file cannot be used.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from susystream.errors import TrackingError
from susystream.tracking.entries import Entry

_VERSION = 2
_READABLE = {1, _VERSION}  # the first said `absent` for `whose`, and no `before`
_FORMS: dict[Any, type | tuple[type, ...]] = {  # of the data of each kind
    "params": dict,
    "metrics": list,
    "tags": dict,
    "input": dict,
    "file": (str, type(None)),
    "end": dict,
}


def first_line(server: str) -> dict[str, Any]:
    """Names the server by its address without a login."""
    return {"journal": _VERSION, "server": server}


def server_in(path: Path, line: bytes) -> str:
    """What the first line names.

    Raises:
        TrackingError: It is none.
    """
    match _parsed(line):
        case {"journal": version, "server": str(server)}:
            if version in _READABLE:
                return server
            received = f"version {version}"
        case _:
            received = repr(line[:40])
    raise TrackingError(
        f"expected {path} to hold what a run kept for its tracking server, received {received}; "
        "name another file, or move it away with the folder beside it that has its name"
    )


def line_of(entry: Entry, *, file: str | None) -> dict[str, Any]:
    """An entry as plain data.

    Args:
        entry: Any.
        file: Where the copy of its file lies, within the folder of copies.
    """
    found = {"run": entry.run_id, "kind": entry.kind, "data": entry.data}
    more = {"file": file, "own": entry.own, "whose": entry.whose}
    aside = {} if entry.before is None else {"before": dict(entry.before)}
    return found | {name: value for name, value in more.items() if value} | aside


def entry_in(line: bytes, *, folder: Path) -> Entry | None:
    """The entry of a line; None if it is damaged.

    Args:
        line: As read.
        folder: Where copies of files lie.
    """
    match _parsed(line):
        case {"run": str(run_id), "kind": str(kind), "data": data, **more} if kind in _FORMS:
            file, before = more.get("file"), more.get("before")
            whose = more.get("whose", more.get("absent"))
            forms = ((data, _FORMS[kind]), (whose or "", str), (before or {}, dict))
            whole = all(isinstance(one, form) for one, form in forms)
            if whole and isinstance(file, str) == (kind == "file"):
                place = folder / str(file) if kind == "file" else None
                own, of = more.get("own") is True, whose or ""
                return Entry(run_id, kind, data, place, own, of, before)  # type: ignore[arg-type]
    return None


def append(path: Path, line: dict[str, Any]) -> None:
    """Writes a line to the end of a file.

    A full disk or a signal may end that halfway: what is there is taken back, for the next line
    would go on behind it.
    """
    with path.open("ab", buffering=0) as handle:
        start, left = handle.tell(), memoryview(json.dumps(line).encode() + b"\n")
        try:
            while left:
                left = left[handle.write(left) :]
        finally:
            if left:
                handle.truncate(start)


@contextmanager
def kept_in(path: Path) -> Iterator[None]:
    """What cannot be written is an error of ours.

    Raises:
        TrackingError: Instead of OSError.
    """
    try:
        yield
    except OSError as error:
        raise TrackingError(
            f"expected to keep in {path} what is logged while the tracking server is away, "
            f"received: {error}; free disk space, or choose another place (home=...)"
        ) from error


@contextmanager
def read_from(path: Path) -> Iterator[None]:
    """A file of ours that cannot be used is no outage of a server.

    Raises:
        TrackingError: Instead of OSError.
        FileNotFoundError: Another process delivered it.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise TrackingError(
            f"expected to read and move {path}, which a run kept for its tracking server, "
            f"received: {error}; give yourself the right to, or move it "
            "away with the folder beside it that has its name"
        ) from error


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
