"""What a tracking server says of kept entries.

In: entries, one after the other. Out: requests; and an account of what was taken, what will never
be, and what was left to be tried again because the server fails at it while it answers others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from susystream.disclosure import public_text
from susystream.tracking.entries import Entry, halves
from susystream.tracking.outage import is_inner, is_of_one_part, is_outage, is_unknown

_LONGEST = 240
_SEARCHES = 20  # for what the server fails at, among a thousand points


@dataclass(frozen=True, slots=True)
class Server:
    """Where entries go.

    Attributes:
        send: One entry; raises as MLflow does.
        answers: Whether the server answers other requests at the moment.
    """

    send: Callable[[Entry], None]
    answers: Callable[[], bool] = lambda: False


@dataclass(slots=True)
class Account:
    """What became of entries.

    Attributes:
        taken: Requests that succeeded.
        refused: What the server will never take, a line each.
        notes: What to say of entries whose run may be absent, and is.
        left: What it failed at, with a line each.
        unknown: Runs that it does not know, with a line each; no second entry of them is sent.
    """

    taken: int = 0
    refused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left: list[tuple[Entry, str]] = field(default_factory=list)
    unknown: dict[str, str] = field(default_factory=dict)
    _searches: int = _SEARCHES

    @property
    def knows_nothing(self) -> bool:
        """Whether the server knows none of the runs: it may be another one."""
        of_unknown = set(self.refused) <= set(self.unknown.values())
        return bool(self.refused) and of_unknown and not (self.taken or self.left)

    def give(self, entry: Entry, server: Server) -> None:
        """Sends an entry, and writes down what becomes of it, once that is known of all parts.

        Raises:
            Exception: MLflow's own: the server is away.
        """
        taken = self.taken
        ends = [(one, len(one)) for one in (self.refused, self.notes, self.left)]
        try:
            self._give(entry, server)
        except Exception:  # all of it is sent again
            self.taken = taken
            for one, end in ends:
                del one[end:]
            raise

    def _give(self, entry: Entry, server: Server) -> None:
        if entry.run_id in self.unknown:
            self._pass(entry, self.unknown[entry.run_id])
            return
        if any(_comes_behind(entry, one) for one, _ in self.left):
            self.left.append((entry, f"{_name(entry)}: behind another"))
            return
        try:
            server.send(entry)
        except Exception as error:
            self._judge(entry, error, server)
        else:
            self.taken += 1

    def give_again(self, server: Server) -> None:
        """Sends what was left.

        Raises:
            Exception: MLflow's own: the server is away; the rest is still left.
        """
        waiting, self.left = self.left, []
        for number, (entry, _) in enumerate(waiting):
            try:
                self.give(entry, server)
            except Exception:
                self.left += waiting[number:]
                raise

    def _judge(self, entry: Entry, error: Exception, server: Server) -> None:
        told = f"{_name(entry)}: {' '.join(public_text(str(error)).split())[:_LONGEST]}"
        if is_outage(error):
            if not (is_inner(error) and server.answers()):
                raise error
            self._leave(entry, told, server)
        elif is_unknown(error):
            self._pass(entry, self.unknown.setdefault(entry.run_id, told))
        elif entry.excuses(error):
            self._pass(entry, told)
        elif is_of_one_part(error) and (parts := halves(entry)):
            self._give_all(parts, server)
        else:
            self.refused.append(told)

    def _pass(self, entry: Entry, told: str) -> None:
        """An entry of a run that is not there; what is told of many is told once."""
        into, line = (self.notes, entry.absent) if entry.absent else (self.refused, told)
        if line not in into:
            into.append(line)

    def _leave(self, entry: Entry, told: str, server: Server) -> None:
        """Leaves as little as can be found out with few requests."""
        parts = halves(entry)
        if parts and self._searches > 0:
            self._searches -= 1
            self._give_all(parts, server)
        else:
            self.left.append((entry, told))

    def _give_all(self, entries: tuple[Entry, ...], server: Server) -> None:
        for entry in entries:
            self._give(entry, server)


def _comes_behind(entry: Entry, other: Entry) -> bool:
    """Whether it must: of two tags or files of one name, the later one is to stay."""
    if (entry.run_id, entry.kind) != (other.run_id, other.kind):
        return False
    if entry.file is not None and other.file is not None:
        return (entry.data, entry.file.name) == (other.data, other.file.name)
    return entry.kind == "tags" and not entry.data.keys().isdisjoint(other.data)


def _name(entry: Entry) -> str:
    return f"{entry.kind} of run {entry.run_id}"
