"""What a tracking server says of kept entries.

In: entries, one after the other. Out: requests; and an account of what was taken, what will never
be, what waits, and what was left to be tried again because the server fails at it while it answers
others.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from susystream.disclosure import public_text
from susystream.tracking.address import restoring
from susystream.tracking.entries import Entry, halves
from susystream.tracking.outage import is_deleted, is_inner, is_of_one_part, is_outage, is_unknown
from susystream.tracking.replaced import Sorted, Standing, places_of, sorted_out, without

Untaken: TypeAlias = tuple[Entry, str]  # with what is told of it
_LONGEST = 240
_SEARCHES = 20  # for what the server fails at, among a thousand points


@dataclass(frozen=True, slots=True)
class Server:
    """Where entries go.

    Attributes:
        send: One entry; raises as MLflow does.
        answers: Whether the server answers other requests at the moment.
        standing: What it has in an entry's places; raises as MLflow does.
        uri: Its address, for what is told.
        marked: Whether a run is one that others took for killed; raises as MLflow does.
    """

    send: Callable[[Entry], None]
    answers: Callable[[], bool] = lambda: False
    standing: Callable[[Entry], Standing] = lambda _: {}
    uri: str = ""
    marked: Callable[[str], bool] = lambda _: False


@dataclass(slots=True)
class Account:
    """What became of entries.

    Attributes:
        taken: Requests that succeeded.
        refused: What the server does not take, a line each.
        waiting: Figures of other commands' runs that were deleted, and may be restored.
        notes: What to say that is no error.
        left: What it failed at, with a line each.
        unknown: Runs that it does not know, with a line each; no second entry of them is sent.
    """

    taken: int = 0
    refused: list[Untaken] = field(default_factory=list)
    waiting: list[Untaken] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left: list[Untaken] = field(default_factory=list)
    unknown: dict[str, str] = field(default_factory=dict)
    _ours: dict[str, set[tuple[str, str | None]]] = field(default_factory=dict)
    _marked: dict[str, bool] = field(default_factory=dict)
    _searches: int = _SEARCHES

    @property
    def knows_nothing(self) -> bool:
        """Whether the server knows none of the runs: it may be another one."""
        of_unknown = {told for _, told in self.refused} <= set(self.unknown.values())
        return bool(self.refused) and of_unknown and not (self.taken or self.left or self.waiting)

    @property
    def only_waits(self) -> bool:
        """Whether what is not there is not this command's, and is there once it can be."""
        return bool(self.waiting) and not (self.refused or self.left)

    def missing(self) -> list[str]:
        """What is to be told of what is not there; once, if it is the same of many entries."""
        return list(dict.fromkeys(told for _, told in self._not_taken()))

    def lines_missing(self) -> int:
        """How many lines hold them at most: neighbouring points are sent as one entry."""
        found = (entry for entry, _ in self._not_taken())
        return sum(len(one.data) if one.kind == "metrics" else 1 for one in found)

    def rest(self, server: Server) -> list[Entry]:
        """What is not there, as it is set aside: later it must not replace what came meanwhile."""
        return [_marked(entry, server) for entry, _ in self._not_taken()]

    def give(self, entry: Entry, server: Server) -> None:
        """Sends an entry, and writes down what becomes of it, once that is known of all parts.

        Raises:
            Exception: MLflow's own: the server is away.
        """
        taken = self.taken
        ends = [(one, len(one)) for one in (self.refused, self.waiting, self.notes, self.left)]
        try:
            self._give(entry, server)
        except Exception:  # all of it is sent again
            self.taken = taken
            for one, end in ends:
                del one[end:]
            raise

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

    def judge(self, entry: Entry, error: Exception, server: Server) -> None:
        """Writes down what an error means that an entry met.

        Raises:
            Exception: MLflow's own: the server is away.
        """
        reason = " ".join(public_text(str(error)).split())[:_LONGEST]
        told = f"{_name(entry)}: {reason}"
        if is_outage(error):
            if not (is_inner(error) and server.answers()):
                raise error
            self._leave(entry, told, server)
        elif is_unknown(error):
            self._pass(entry, self.unknown.setdefault(entry.run_id, told))
        elif is_deleted(error):
            self._wait(entry, restoring(entry.run_id, server.uri), server)
        elif is_of_one_part(error) and (parts := halves(entry)):
            self._give_all(parts, server)
        elif entry.whose:
            self._note(f"{entry.whose} does not take them: {reason}")
        else:
            self.refused.append((_marked(entry, server), told))

    def _give(self, entry: Entry, server: Server) -> None:
        if entry.run_id in self.unknown:
            self._pass(entry, self.unknown[entry.run_id])
            return
        if any(_comes_behind(entry, one) for one, _ in self.left):
            self.left.append((entry, f"{_name(entry)}: behind another"))
            return
        try:
            found = self._sorted(entry, server)
            if found.first is not None:
                server.send(found.first)
        except Exception as error:
            self.judge(entry, error, server)
        else:
            self._write_down(entry, found)

    def _sorted(self, entry: Entry, server: Server) -> Sorted:
        if entry.before is None:
            return Sorted(entry)
        run_id = entry.run_id
        if run_id not in self._marked:  # its own error, once it is sent, hides the mark
            self._marked[run_id] = server.marked(run_id)
        ours, marked = self._ours.get(run_id, set()), self._marked[run_id]
        return sorted_out(entry, server.standing(entry), ours, marked=marked)

    def _write_down(self, entry: Entry, found: Sorted) -> None:
        if found.first is not None:
            self.taken += 1
            self._replace_by(found.first)
        for place in found.overtaken:
            self._note(f"{_name(entry)}: {place} stays as it is there, for that came later")
        if found.unclear is not None:
            places = ", ".join(places_of(found.unclear))
            told = f"{_name(entry)}: {places}: something else is there, which may be later"
            self.refused.append((found.unclear, told))

    def _replace_by(self, entry: Entry) -> None:
        """What was refused before, for places that have a later entry now, is past."""
        if entry.before is None and not self.refused:
            return
        places = places_of(entry)
        self._ours.setdefault(entry.run_id, set()).update(places.items())
        self.refused[:] = [
            (rest, told)
            for one, told in self.refused
            if (rest := without(one, places) if _alike(one, entry) else one) is not None
        ]

    def _pass(self, entry: Entry, told: str) -> None:
        """An entry of a run that is not there."""
        if entry.whose:
            self._note(f"{entry.whose} is not on this tracking server")
        else:
            self.refused.append((_marked(entry, None), told))

    def _wait(self, entry: Entry, cure: str, server: Server) -> None:
        """An entry of a run that was deleted."""
        if entry.whose:
            self.waiting.append((entry, f"{entry.whose} is deleted; restore it: {cure}"))
        else:
            told = f"{_name(entry)}, which is deleted; restore it: {cure}"
            self.refused.append((_marked(entry, server), told))

    def _note(self, line: str) -> None:
        if line not in self.notes:
            self.notes.append(line)

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

    def _not_taken(self) -> list[Untaken]:
        return [*self.refused, *self.waiting, *self.left]


def _marked(entry: Entry, server: Server | None) -> Entry:
    """With what stands in its places now; a run that is not there, or not seen, says nothing."""
    if entry.before is not None or entry.kind not in ("tags", "file", "end"):
        return entry
    before: Standing = {}
    if server is not None:
        with suppress(Exception):  # whatever it is: it is not known
            before = server.standing(entry)
    return replace(entry, before=before)


def _alike(one: Entry, other: Entry) -> bool:
    return (one.run_id, one.kind) == (other.run_id, other.kind)


def _comes_behind(entry: Entry, other: Entry) -> bool:
    """Whether it must: of two tags or files of one name, the later one is to stay."""
    if not _alike(entry, other):
        return False
    if entry.file is not None and other.file is not None:
        return (entry.data, entry.file.name) == (other.data, other.file.name)
    return entry.kind == "tags" and not entry.data.keys().isdisjoint(other.data)


def _name(entry: Entry) -> str:
    return f"{entry.kind} of run {entry.run_id}"
