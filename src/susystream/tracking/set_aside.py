"""What a tracking server did not take of a journal, as a journal of its own.

In: a journal, and the entries that are not taken. Out: `<name>.refused` instead of it, with those
alone; of the copies of files those that are still to be sent.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from susystream.tracking import kept_line
from susystream.tracking.entries import Entry
from susystream.tracking.kept_line import kept_in

REFUSED = ".refused"
REST = ".rest"  # while it is written


def set_aside(path: Path, server: str, rest: Sequence[Entry], damaged: Iterable[bytes]) -> Path:
    """Replaces a journal by what is left of it; returns that place.

    A kill halfway leaves the whole journal, which is then sent again in its order.

    Args:
        path: Of the journal.
        server: Whose entries it holds.
        rest: Those that were not taken, in their order.
        damaged: Lines that hold none, as they were.

    Raises:
        TrackingError: It cannot be written.
    """
    aside, draft = path.with_suffix(REFUSED), path.with_suffix(REST)
    with kept_in(draft):
        draft.unlink(missing_ok=True)
        kept_line.append(draft, kept_line.first_line(server))
        for entry in rest:
            kept_line.append(draft, kept_line.line_of(entry, file=_copy(entry)))
        with draft.open("ab") as handle:
            handle.writelines(damaged)
        draft.replace(aside)
        if path != aside:
            path.unlink()
    _remove_others(path.with_suffix(""), {one.file.parent for one in rest if one.file})
    return aside


def _copy(entry: Entry) -> str | None:
    """Where it lies within the folder of copies."""
    return f"{entry.file.parent.name}/{entry.file.name}" if entry.file is not None else None


def _remove_others(copies: Path, kept: set[Path]) -> None:
    if copies.is_dir():
        for place in copies.iterdir():
            if place not in kept:
                shutil.rmtree(place, ignore_errors=True)
        if not kept:
            with suppress(OSError):
                copies.rmdir()
