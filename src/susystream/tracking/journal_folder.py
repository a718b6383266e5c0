"""The folder in which commands of a home keep what a tracking server did not get.

In: the folder. Out: its journals, the runs in them; what kills left between two steps, swept away.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from pathlib import Path

from susystream.errors import TrackingError
from susystream.tracking.address import server_of
from susystream.tracking.journal import DRAFT, ENDING, GONE, InUse, Journal, remove_copies

_OURS = re.compile(r"\d{8}-\d{6}-\d{6}-\w+")
_DRAFT_SECONDS = 3600.0  # one that is not locked may be a command's that is about to lock it


def journals(folder: Path) -> list[Path]:
    """All of them, the oldest first."""
    return sorted(folder.glob(f"*{ENDING}"))


def journals_for(folder: Path, uri: str | None) -> list[Path]:
    """Those of one server; None: all of them.

    Raises:
        TrackingError: There are some, and all are of other servers.
    """
    if uri is None:
        return journals(folder)
    of = {path: server for path in journals(folder) if (server := _server(path)) is not None}
    found = [path for path, server in of.items() if server == server_of(uri)]
    if of and not found:
        others = ", ".join(sorted(set(of.values())))
        raise TrackingError(
            f"expected journals of {server_of(uri)} in {folder}, received {len(of)} of other "
            f"servers ({others}); name those whose runs are there now: susystream runs deliver "
            "--tracking-uri=... PATHS"
        )
    return found


def kept_runs(folder: Path) -> set[str]:
    """The runs of all journals that are there, whoever has them now."""
    found: set[str] = set()
    for path in journals(folder):
        with suppress(TrackingError, FileNotFoundError):
            found |= Journal(path).runs().keys()
    return found


def sweep(folder: Path) -> None:
    """Removes drafts of journals that were never begun, and copies of files of delivered ones.

    A kill leaves them between two steps; what cannot be removed stays, and so do copies whose
    journal somebody moved away.
    """
    for draft in folder.glob(f"*{DRAFT}"):
        if _OURS.fullmatch(draft.stem):
            with suppress(OSError, TrackingError, InUse):
                _remove_old(draft)
    for gone in folder.glob(f"*{GONE}"):
        if _OURS.fullmatch(gone.stem):
            remove_copies(gone)


def _remove_old(draft: Path) -> None:
    if time.time() - draft.stat().st_mtime > _DRAFT_SECONDS:
        journal = Journal(draft)
        journal.lock()
        journal.remove()


def _server(path: Path) -> str | None:
    """None if it is no journal, or was just delivered."""
    try:
        return Journal(path).server()
    except (TrackingError, FileNotFoundError):
        return None
