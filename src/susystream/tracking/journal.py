"""What runs logged while the tracking server was away, in a file of one process.

In: entries, in order. Out: the same entries to whoever sends them, in the same order; then no file.

`<time>-<run>.jsonl` has a line that names the server, and one for each entry; files to send lie in
the folder `<time>-<run>` beside it. Its process holds the lock of the file as long as it lives, so
nobody else sends these entries meanwhile; a line that a kill cut in two is not read. It holds what
the server would have got and its address without a login: no secret.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from susystream.disclosure import public_text
from susystream.errors import TrackingError
from susystream.file_lock import file_lock
from susystream.tracking.address import server_of
from susystream.tracking.entries import Entry, joined
from susystream.tracking.outage import is_outage

ENDING = ".jsonl"
REFUSED = ".refused"
_VERSION = 1
_LONGEST = 240


class InUse(Exception):  # no error of ours: whoever asks goes on without that journal
    """Another process writes or sends this journal."""


class Journal:
    """Entries on disk; made by `begin`, or found by `Journal(path)`. `with` holds its lock.

    Args:
        path: Of the file.

    Attributes:
        path: Of the file.
        refused: What the server said of entries that it will never take.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.refused = path, list[str]()
        self._stack, self._sent = ExitStack(), 0

    @classmethod
    def begin(cls, folder: Path, uri: str, entry: Entry) -> Journal:
        """A new one, locked, that holds its first entry before anyone else can see it.

        Raises:
            TrackingError: It cannot be written.
        """
        now = datetime.now(timezone.utc)
        journal = cls(folder / f"{now:%Y%m%d-%H%M%S-%f}-{entry.run_id[:12]}{ENDING}")
        draft, whole = journal.path.with_suffix(".part"), journal.path
        with _kept_in(whole):
            folder.mkdir(parents=True, exist_ok=True)
            journal.path = draft
            journal.lock()
            _append(draft, {"journal": _VERSION, "server": server_of(uri)})
            journal.append(entry)
            draft.rename(whole)  # the lock is of the file, not of its name
        journal.path = whole
        return journal

    def __enter__(self) -> Journal:
        self.lock()
        if self.path.stat().st_size == 0:  # it was just removed, and this lock made another file
            self.path.unlink()
            self.unlock()
            raise InUse(str(self.path))
        return self

    def __exit__(self, *error: object) -> None:
        self.unlock()

    def lock(self) -> None:
        """Until `unlock`, or the end of the process.

        Raises:
            InUse: Another process holds it.
        """
        self._stack.enter_context(file_lock(self.path, deadline_seconds=0, late=InUse))

    def unlock(self) -> None:
        """Lets others have it."""
        self._stack.close()

    def append(self, entry: Entry) -> None:
        """Keeps an entry, and a copy of its file; a process that is killed behind this has it.

        Raises:
            TrackingError: It cannot be written.
        """
        line = {"run": entry.run_id, "kind": entry.kind, "data": entry.data}
        with _kept_in(self.path):
            if entry.file is not None:
                line["file"] = self._copied(entry.file)
            _append(self.path, line)

    def deliver(self, send: Callable[[Entry], None]) -> int:
        """Sends what was not sent yet; what the server refuses is noted and left out.

        Returns:
            The number of entries, of which neighbours may have become one.

        Raises:
            Exception: The outage that ended it; sent entries are not sent again.
        """
        count = 0
        for entry, end in joined(self._entries(self._sent)):
            try:
                send(entry)
            except Exception as error:
                if is_outage(error):
                    raise
                told = " ".join(public_text(str(error)).split())[:_LONGEST]
                self.refused.append(f"{entry.kind} of run {entry.run_id}: {told}")
            self._sent = end
            count += 1
        return count

    def finish(self) -> Path | None:
        """Removes the journal, or sets it aside if something was refused; returns that place."""
        aside = None
        if self.refused:
            aside = self.path.rename(self.path.with_suffix(REFUSED))
        else:
            self.path.unlink()
            shutil.rmtree(self._folder, ignore_errors=True)
        self.unlock()
        return aside

    def server(self) -> str:
        """Whose entries they are: an address without a login.

        Raises:
            TrackingError: The file is no journal.
        """
        with self.path.open("rb") as handle:
            first = _parsed(self.path, handle.readline())
        if first.get("journal") != _VERSION:
            raise _foreign(self.path, f"version {first.get('journal')}")
        return str(first["server"])

    def ends(self) -> dict[str, bool]:
        """Its runs, and whether each one's end is in it."""
        found: dict[str, bool] = {}
        for entry, _ in self._entries(0):
            found[entry.run_id] = found.get(entry.run_id, False) or entry.kind == "end"
        return found

    @property
    def _folder(self) -> Path:
        return self.path.with_suffix("")

    def _copied(self, file: Path) -> str:
        self._folder.mkdir(exist_ok=True)
        place = self._folder / str(sum(1 for _ in self._folder.iterdir()))
        place.mkdir()
        shutil.copyfile(file, place / file.name)
        return f"{place.name}/{file.name}"

    def _entries(self, start: int) -> Iterator[tuple[Entry, int]]:
        """Those behind a place in the file, each with the place behind itself."""
        with self.path.open("rb") as handle:
            handle.seek(start)
            while (line := handle.readline()).endswith(b"\n"):
                found = _parsed(self.path, line)
                if "run" in found:
                    yield self._entry(found), handle.tell()

    def _entry(self, found: dict[str, Any]) -> Entry:
        file = self._folder / found["file"] if "file" in found else None
        return Entry(found["run"], found["kind"], found["data"], file)


def refusal(journal: Journal, aside: Path) -> str:
    """What to tell of entries that were kept, and are refused now."""
    many = f" and {len(journal.refused) - 1} more" if len(journal.refused) > 1 else ""
    return (
        f"expected the tracking server to take all that was kept for it, received a refusal: "
        f"{journal.refused[0]}{many}; the rest is there, and all of it in {aside}"
    )


def _append(path: Path, line: dict[str, Any]) -> None:
    with path.open("ab") as handle:
        handle.write(json.dumps(line).encode() + b"\n")


@contextmanager
def _kept_in(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TrackingError(
            f"expected to keep in {path} what is logged while the tracking server is away, "
            f"received: {error}; free disk space, or choose another place (home=...)"
        ) from error


def _parsed(path: Path, line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise _foreign(path, repr(line[:40])) from error
    if not isinstance(found, dict):
        raise _foreign(path, repr(line[:40]))
    return found


def _foreign(path: Path, received: str) -> TrackingError:
    return TrackingError(
        f"expected {path} to hold what a run kept for its tracking server, received {received}; "
        "name another file"
    )
