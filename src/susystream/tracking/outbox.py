"""The way from the runs of a process to their tracking server, which may go away and come back.

In: what is logged. Out: requests in the same order. While the server answers, each entry is sent at
once and nothing is written to disk. From the first one that it does not take, all are kept in a
journal, so that nobody waits for more than that one time-out; a thread sends them once the server
is back.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from susystream.errors import TrackingError
from susystream.settings import public_uri
from susystream.tracking.address import reason_of, refused, tracking_errors
from susystream.tracking.contact import answers
from susystream.tracking.delivery import Account, Server
from susystream.tracking.entries import Entry, send
from susystream.tracking.journal import Journal, delivering, refusal, waiting
from susystream.tracking.outage import is_inner, is_outage
from susystream.tracking.replaced import Standing, standing

if TYPE_CHECKING:
    from mlflow import MlflowClient

_HUNG_SECONDS = 1.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0


class Outbox:
    """Takes entries from any thread; `close` makes the last attempt.

    Args:
        uri: Of the server.
        client: Gives its client; the first call may raise TrackingError.
        folder: For a journal.
        timeout_seconds: For the server to answer one request.
        say: Tells a person, once when the server goes away and once when it is back.
    """

    def __init__(
        self,
        uri: str,
        *,
        client: Callable[[], MlflowClient],
        folder: Path,
        timeout_seconds: float,
        say: Callable[[str], None],
    ) -> None:
        self._uri, self._client, self._folder, self._say = uri, client, folder, say
        self._timeout = timeout_seconds
        self._lock, self._woken = threading.Lock(), threading.Event()
        self._journal: Journal | None = None
        self._thread: threading.Thread | None = None
        self._ends = math.inf
        self._reason = self._refused = ""
        self._hung = False

    def put(self, entry: Entry) -> None:
        """Sends an entry behind all that were put before it, or keeps it.

        What another command's run does not take is told; a deleted one's is set aside for it.

        Raises:
            TrackingError: The server refuses it, or it cannot be kept.
        """
        with self._lock:
            if self._journal is not None:
                self._journal.append(entry)
            elif (error := self._outage_at(entry)) is not None:
                self._keep(entry, error)

    def close(self, seconds: float) -> None:
        """Waits so long for what is kept to be sent, and at most for one time-out more.

        Raises:
            TrackingError: The server is still away, or did not take all that was kept.
        """
        if self._thread is not None:
            self._ends = time.monotonic() + seconds
            self._woken.set()
            self._thread.join(seconds + self._timeout)
        left, thread, self._journal, self._thread = self._journal, self._thread, None, None
        try:
            error = None if left is None else self._not_all(left)
        except FileNotFoundError:  # just delivered, or set aside
            error = None
            if thread is not None:
                thread.join(self._timeout)
        if error is not None:
            raise error
        if self._refused:
            raise TrackingError(self._refused)

    def _not_all(self, left: Journal) -> TrackingError:
        again = delivering(left.path)
        if self._reason:
            return refused(
                self._uri, self._reason, f"all that was logged is kept; start it, then: {again}"
            )
        there, whole = left.progress()
        return TrackingError(
            f"expected the tracking server at {public_uri(self._uri)} to take in time all that "
            f"was kept for it, received {there:,} of {whole:,} entries there; the rest is kept "
            f"too: {again}"
        )

    def _outage_at(self, entry: Entry) -> Exception | None:
        """Sends it; a connection that was closed while it was idle is no outage yet."""
        error = self._lost(entry)
        return error if error is None or self._hung else self._lost(entry)

    def _lost(self, entry: Entry) -> Exception | None:
        began = time.monotonic()
        try:
            self._send(entry)
        except Exception as error:
            self._hung = time.monotonic() - began > _HUNG_SECONDS
            if is_outage(error):
                return error
            if entry.whose and not isinstance(error, TrackingError):
                return self._excused(entry, error)
            with tracking_errors(self._uri):
                raise
        return None

    def _excused(self, entry: Entry, error: Exception) -> Exception | None:
        """What another command's run does not take ends none; returns an outage on the way."""
        account = Account()
        try:
            account.judge(entry, error, self._there)
        except Exception as outage:
            return outage
        if account.left:
            return error
        notes = account.notes
        if account.waiting:
            journal = Journal.begin(self._folder, self._uri, entry)
            journal.account = account
            aside = journal.finish(self._there)
            notes = [*notes, *([waiting(journal, aside)] if aside is not None else [])]
        for line in notes:
            self._say(line)
        return None

    @property
    def _there(self) -> Server:
        def stands(entry: Entry) -> Standing:
            return standing(self._client(), entry)

        return Server(self._send, self._answers, stands, self._uri)

    def _send(self, entry: Entry) -> None:
        send(self._client(), entry)
        self._reason = ""

    def _answers(self) -> bool:
        there = answers(self._client())
        self._reason = "" if there else self._reason
        return there

    def _keep(self, entry: Entry, error: Exception) -> None:
        reason = self._reason = reason_of(str(error), self._uri)
        journal = self._journal = Journal.begin(self._folder, self._uri, entry)
        state = "fails at a request" if is_inner(error) and self._answers() else "is away"
        self._say(
            f"the tracking server at {public_uri(self._uri)} {state} ({reason}): what is "
            f"logged is kept in {journal.path} until it is back"
        )
        self._ends = math.inf
        self._thread = threading.Thread(target=self._work, args=[journal], daemon=True)
        self._thread.start()

    def _work(self, journal: Journal) -> None:
        """Tries again and again, until all is sent or `close` has waited long enough."""
        pause, last = _FIRST_PAUSE, False
        while (lines := self._delivered(journal, last=last)) is None:
            if last:
                journal.unlock()
                return
            self._woken.wait(min(pause, max(0.0, self._ends - time.monotonic())))
            last = time.monotonic() >= self._ends
            self._woken.clear()
            pause = _FIRST_PAUSE if self._ends < math.inf else min(2 * pause, _LONGEST_PAUSE)
        with suppress(OSError):  # of a terminal that was closed: no server is away
            for line in lines:
                self._say(line)

    def _delivered(self, journal: Journal, *, last: bool) -> list[str] | None:
        """What to say once all was sent; `last`: what the server fails at is then set aside."""
        there = self._there
        try:
            journal.deliver(there)  # while others go on logging
            if journal.account.left and not last:
                return None
            with self._lock:
                journal.deliver(there)  # the few that came meanwhile
                return self._end(journal, there)
        except Exception as error:  # a thread has nobody to tell: `close` does
            self._reason = reason_of(str(error), self._uri)
            return None

    def _end(self, journal: Journal, there: Server) -> list[str]:
        aside = journal.finish(there)
        if self._journal is journal:
            self._journal = None
        notes, back = journal.account.notes, "the tracking server is back"
        if aside is None:
            return [*notes, f"{back}: all that was kept is there"]
        if journal.only_waits:
            return [*notes, waiting(journal, aside), f"{back}: all else that was kept is there"]
        self._refused = refusal(journal, aside)
        return [*notes, self._refused]
