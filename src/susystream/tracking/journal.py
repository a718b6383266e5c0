"""What runs logged while the tracking server was away, in a file of one process.

In: entries, in order. Out: the same entries to whoever sends them, in the same order; then no file.

`<time>-<run>.jsonl` has a line that names the server, and one for each entry; files to send lie in
the folder `<time>-<run>` beside it. Its process holds the lock of the file as long as it lives, so
nobody else sends these entries meanwhile; a line that a kill cut in two is not read, and one that
is damaged is left out and told. What the server does not take stays in `<time>-<run>.refused`,
with what stood in its places then: sent later, it replaces nothing newer. A journal holds what the
server would have got and its address without a login: no secret.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from susystream.errors import TrackingError
from susystream.file_lock import file_lock
from susystream.tracking import kept_line
from susystream.tracking.address import server_of
from susystream.tracking.delivery import Account, Server
from susystream.tracking.entries import Entry, joined
from susystream.tracking.kept_line import kept_in, read_from
from susystream.tracking.set_aside import REFUSED, REST, set_aside

ENDING = ".jsonl"
DRAFT = ".part"
GONE = ".gone"


class InUse(Exception):  # no error of ours: whoever asks goes on without that journal
    """Another process writes or sends this journal."""


@dataclass(frozen=True, slots=True)
class KeptRun:
    """A run of which a journal holds something.

    Attributes:
        own: Whether the journal's process opened it.
        ended: Whether its end is there.
    """

    own: bool = False
    ended: bool = False


class Journal:
    """Entries on disk; made by `begin`, or found by `Journal(path)`. `with` holds its lock.

    Args:
        path: Of the file.

    Attributes:
        path: Of the file.
        account: What the server said of its entries.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.account = path, Account()
        self._stack, self._sent = ExitStack(), 0
        self._damaged = dict[int, bytes]()  # such lines, by where they end
        self._goes_on = False  # whether its runs do

    @classmethod
    def begin(cls, folder: Path, uri: str, entry: Entry) -> Journal:
        """A new one, locked, that holds its first entry before anyone else can see it.

        Raises:
            TrackingError: It cannot be written.
        """
        now = datetime.now(timezone.utc)
        whole = folder / f"{now:%Y%m%d-%H%M%S-%f}-{entry.run_id[:12]}{ENDING}"
        journal = cls(whole.with_suffix(DRAFT))
        journal._goes_on = True
        try:
            with kept_in(whole):
                folder.mkdir(parents=True, exist_ok=True)
                journal._take()
                kept_line.append(journal.path, kept_line.first_line(server_of(uri)))
                journal.append(entry)
                journal.path.rename(whole)  # the lock is of the file, not of its name
        except Exception:
            with suppress(TrackingError):  # the first error says what is wrong
                journal.remove()
            raise
        journal.path = whole
        return journal

    def __enter__(self) -> Journal:
        self.lock()
        if self.path.stat().st_size == 0 and self.path.suffix in {ENDING, REFUSED}:
            self.path.unlink()  # it was just removed, and this lock made another file
            self.unlock()
            raise FileNotFoundError(str(self.path))
        return self

    def __exit__(self, *error: object) -> None:
        self.unlock()

    def lock(self) -> None:
        """Until `unlock`, or the end of the process.

        Raises:
            InUse: Another process holds it.
            TrackingError: It cannot be opened.
        """
        with read_from(self.path):
            self._take()

    def unlock(self) -> None:
        """Lets others have it."""
        self._stack.close()

    def append(self, entry: Entry) -> None:
        """Keeps an entry, and a copy of its file; a process that is killed behind this has it.

        Raises:
            TrackingError: It cannot be written.
        """
        with kept_in(self.path):
            file = self._copied(entry.file) if entry.file is not None else None
            kept_line.append(self.path, kept_line.line_of(entry, file=file))

    def deliver(self, server: Server) -> None:
        """Sends what was left, and what was not sent yet; `account` says what became of it.

        Raises:
            Exception: The outage that ended it; sent entries are not sent again.
        """
        self.account.give_again(server)
        for entry, end in joined(self._entries(self._sent)):
            self.account.give(entry, server)
            self._sent = end

    def finish(self, server: Server, *, stays: bool = False) -> Path | None:
        """Removes the journal, or sets aside what was not taken of it; returns that place.

        Args:
            server: Where it was sent.
            stays: Whether it stays where it is if the server knows none of its runs.

        Raises:
            TrackingError: It cannot be moved or written.
        """
        if not self.missing():
            self.remove()
            return None
        with read_from(self.path):
            if not self._is_whole():
                rest, damaged = self.account.rest(server), self._damaged.values()
                self.path = set_aside(self.path, self.server(), rest, damaged)
            elif not stays:
                self.path = self.path.rename(self.path.with_suffix(REFUSED))
        self.unlock()
        return self.path

    def _is_whole(self) -> bool:
        """Whether nothing of it is there, and nothing later will come to its runs."""
        ended = not self._goes_on or all(one.ended for one in self.runs().values())
        return self.account.knows_nothing and ended

    def remove(self) -> None:
        """With the copies of files; a kill halfway leaves a name that says so."""
        with read_from(self.path), suppress(FileNotFoundError):
            self.path.with_suffix(REST).unlink(missing_ok=True)
            self.path = self.path.rename(self.path.with_suffix(GONE))
        remove_copies(self.path)
        self.unlock()

    def missing(self) -> list[str]:
        """What the server does not have of what was to be sent, a line each."""
        return [*self.account.missing(), *["a damaged line"] * len(self._damaged)]

    @property
    def only_waits(self) -> bool:
        """As of its account, if all of its lines could be read."""
        return self.account.only_waits and not self._damaged

    def progress(self) -> tuple[int, int]:
        """How many entries are there so far at least, of how many.

        Raises:
            FileNotFoundError: All were sent, or it was set aside.
        """
        with read_from(self.path), self.path.open("rb") as handle:
            tried = handle.read(self._sent).count(b"\n")
            whole = tried + handle.read().count(b"\n")
        return max(0, tried - 1 - self.account.lines_missing()), whole - 1

    def server(self) -> str:
        """Whose entries they are: an address without a login.

        Raises:
            TrackingError: The file is no journal, or cannot be read.
            FileNotFoundError: It is not there any more.
        """
        with read_from(self.path), self.path.open("rb") as handle:
            return kept_line.server_in(self.path, handle.readline())

    def runs(self) -> dict[str, KeptRun]:
        """Its runs.

        Raises:
            TrackingError: It cannot be read.
        """
        found: dict[str, KeptRun] = {}
        for entry, _ in self._entries(0):
            one = found.get(entry.run_id, KeptRun())
            found[entry.run_id] = KeptRun(one.own or entry.own, one.ended or entry.kind == "end")
        return found

    def _take(self) -> None:
        self._stack.enter_context(file_lock(self.path, deadline_seconds=0, late=InUse))

    @property
    def _folder(self) -> Path:
        return self.path.with_suffix("")

    def _copied(self, file: Path) -> str:
        self._folder.mkdir(exist_ok=True)
        place = self._folder / str(sum(1 for _ in self._folder.iterdir()))
        place.mkdir()
        try:
            shutil.copyfile(file, place / file.name)
        except BaseException:  # half of it would only fill the disk
            shutil.rmtree(place, ignore_errors=True)
            raise
        return f"{place.name}/{file.name}"

    def _entries(self, start: int) -> Iterator[tuple[Entry, int]]:
        """Those behind a place in the file, each with the place behind itself."""
        with read_from(self.path), self.path.open("rb") as handle:
            handle.seek(start)
            if start == 0:
                handle.readline()  # the server
            while (line := handle.readline()).endswith(b"\n"):
                entry = kept_line.entry_in(line, folder=self._folder)
                if entry is not None:
                    yield self._as_set_aside(entry), handle.tell()
                else:
                    self._damaged[handle.tell()] = line

    def _as_set_aside(self, entry: Entry) -> Entry:
        """A journal that was set aside whole noted nothing: what stands there may be newer."""
        noted = entry.before is not None or self.path.suffix != REFUSED
        return entry if noted else replace(entry, before={})


def remove_copies(gone: Path) -> None:
    """Of files of a journal that was delivered, or never begun; then its name too."""
    copies = gone.with_suffix("")
    shutil.rmtree(copies, ignore_errors=True)
    if not copies.exists():  # else the next sweep tries again
        with suppress(OSError):
            gone.unlink(missing_ok=True)


def delivering(path: Path, *options: str) -> str:
    """What to type to have a journal sent."""
    return shlex.join(["susystream", "runs", "deliver", *options, str(path)])


def refusal(journal: Journal, aside: Path) -> str:
    """What to tell of entries that were kept, and are not taken now.

    Args:
        journal: It is finished.
        aside: Where it lies.
    """
    missing = journal.missing()
    many = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    if journal.account.knows_nothing:
        again = delivering(aside, "--tracking-uri=...")
        rest, cure = (
            f"nothing is there, and all of it in {aside}",
            f"name the server that has these runs: {again}; or remove it",
        )
    else:
        rest = f"the rest is there, and this in {aside}, which may be removed"
        cure = f"to try again: {delivering(aside)}"
    return (
        "expected the tracking server to take all that was kept for it, received a refusal: "
        f"{missing[0]}{many}; {rest}; {cure}"
    )


def waiting(journal: Journal, aside: Path) -> str:
    """What to tell of figures that wait for runs of other commands; as `refusal`."""
    return f"{'; '.join(journal.missing())}, then: {delivering(aside)}"
