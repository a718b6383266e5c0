"""What an entry would replace on the tracking server, and whether something newer stands there.

In: an entry that was set aside; what stands in its places now. Out: what of it may still be sent.

Tags and files have no time on a server. So an entry that is not taken notes what stood in its
places then: whatever stands there later, and is not that, came later.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from susystream.tracking.abandoned import is_marked, unmarked
from susystream.tracking.entries import Entry

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_STATUS = "its status"  # no name of a tag
_KILLED = "KILLED"  # what a mark makes of it
Standing: TypeAlias = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Sorted:
    """An entry's parts.

    Attributes:
        first: What replaces nothing newer.
        overtaken: Places in which something newer stands.
        unclear: What finds something else in its places of which nobody knows when it came.
    """

    first: Entry | None
    overtaken: tuple[str, ...] = ()
    unclear: Entry | None = None


def places_of(entry: Entry) -> dict[str, str]:
    """What an entry says in places that hold one thing: tags by name, a file by its digest.

    The end of a run is its status. Params never change; points and inputs stand beside each other.
    """
    if entry.kind == "tags":
        return dict(entry.data)
    if entry.kind == "end":
        return {_STATUS: entry.data["status"]}
    if entry.file is not None:
        return {_path(entry, entry.file): _digest(entry.file)}
    return {}


def standing(client: MlflowClient, entry: Entry) -> dict[str, str | None]:
    """What the server has in an entry's places now; None where that is nothing.

    Raises:
        Exception: MLflow's own.
    """
    if entry.file is not None:
        path = _path(entry, entry.file)
        return {path: _digest_there(client, entry, path)}
    if entry.kind == "tags":
        tags = unmarked(client.get_run(entry.run_id).data.tags)
        return {name: tags.get(name) for name in entry.data}
    if entry.kind == "end":
        return {_STATUS: _end_there(client.get_run(entry.run_id))}
    return {}


def was_marked(client: MlflowClient, run_id: str) -> bool:
    """Whether others have taken a run for killed; to be asked before its own error is sent.

    Raises:
        Exception: MLflow's own.
    """
    return is_marked(client.get_run(run_id))


def sorted_out(
    entry: Entry, now: Standing, ours: Collection[tuple[str, str | None]], *, marked: bool = False
) -> Sorted:
    """What of an entry may be sent.

    Args:
        entry: It was set aside, and says what stood in its places then, as far as that is known.
        now: What stands there.
        ours: Places with what was just sent there, before this entry.
        marked: Whether others had taken its run for killed, before all of that.
    """
    overtaken, unclear = list[str](), list[str]()
    known = entry.before or {}
    for place, wanted in places_of(entry).items():
        found = now.get(place)
        free = found is None and known.get(place) is None  # else it was removed since
        if free or found == wanted or (place, found) in ours:
            continue
        if marked and (place, found) == (_STATUS, _KILLED):
            continue
        if place not in known:
            unclear.append(place)
        elif known[place] != found:
            overtaken.append(place)
    rest = without(entry, {*overtaken, *unclear})
    only = without(entry, places_of(entry).keys() - set(unclear)) if unclear else None
    return Sorted(rest, tuple(overtaken), only)


def without(entry: Entry, places: Container[str]) -> Entry | None:
    """An entry without some of its places; None if nothing is left of it."""
    if entry.kind == "tags":
        rest = {name: value for name, value in entry.data.items() if name not in places}
        return replace(entry, data=rest) if rest else None
    place = _STATUS if entry.kind == "end" else entry.file and _path(entry, entry.file)
    return None if place in places else entry


def _end_there(run: Run) -> str | None:
    """A run that others took for killed has not said how it ended."""
    status = str(run.info.status)
    return None if status == "RUNNING" or is_marked(run) else status


def _path(entry: Entry, file: Path) -> str:
    return f"{entry.data}/{file.name}" if entry.data else file.name


def _digest_there(client: MlflowClient, entry: Entry, path: str) -> str | None:
    if path not in [one.path for one in client.list_artifacts(entry.run_id, entry.data)]:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        return _digest(Path(client.download_artifacts(entry.run_id, path, scratch)))


def _digest(file: Path) -> str:
    with file.open("rb") as handle:
        found = hashlib.sha256()
        while block := handle.read(1 << 20):
            found.update(block)
    return found.hexdigest()
