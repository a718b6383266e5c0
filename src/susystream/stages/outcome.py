"""What became of the trials of a sweep.

In: outcomes, each written beside its trial's result by whichever process or machine ran it. Out:
the same, read by whoever started the sweep.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

FILE = "trial.json"
BEGUN = "trial.begun.json"  # until there is the other: its process may be killed at any moment
State = Literal["finished", "reused", "pruned", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a trial.

    Attributes:
        parent_run_id: The run of its sweep.
        number: Of the trial.
        parameters: Of the trial.
        state: `reused`: a run with the same configuration had finished before. `interrupted`: it
            was ended with the sweep.
        seconds: Wall time.
        objective: What it is judged by; of a pruned one when it ended; none of a failed one.
        rows: Events it handled.
        run_id: Its run; none where it failed before one was opened.
        model_ids: Models it stored.
        metrics: All its figures.
        error: One line, of a failed, pruned or interrupted one, or of one whose figures have yet to
            reach the tracking server.
    """

    parent_run_id: str
    number: int
    parameters: Mapping[str, str]
    state: State
    seconds: float
    objective: float | None = None
    rows: int = 0
    run_id: str | None = None
    model_ids: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None

    def write(self, folder: Path) -> None:
        """Into `folder`, in one step."""
        self._put(folder, FILE)
        (folder / BEGUN).unlink(missing_ok=True)

    def begin(self, folder: Path) -> None:
        """Writes what counts as the outcome of a trial that ends without another.

        That of a process which began the same trial before counts no longer.
        """
        self._put(folder, BEGUN)
        (folder / FILE).unlink(missing_ok=True)

    def _put(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"{name}.part"
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        draft.replace(folder / name)


def read_outcome(folder: Path) -> Outcome:
    """The one in `folder`."""
    return Outcome(**json.loads((folder / FILE).read_text(encoding="utf-8")))


def outcomes(folder: Path, *, parent_run_id: str, begun: bool = False) -> list[Outcome]:
    """Of all trials of a sweep, by number.

    Args:
        folder: It may hold those of others too.
        parent_run_id: The run of the sweep.
        begun: Whether those count too that began and wrote no end.
    """
    unended = folder.rglob(BEGUN) if begun else ()
    found = [{**_mapping(path), "seconds": _age(path)} for path in unended]
    found += map(_mapping, folder.rglob(FILE))
    ours = (Outcome(**one) for one in found if one.get("parent_run_id") == parent_run_id)
    known = {one.number: one for one in ours}  # an end counts more than a beginning
    return [known[number] for number in sorted(known)]


def _age(path: Path) -> float:
    """Seconds since it was written; none of one that was removed meanwhile."""
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except OSError:
        return 0.0


def _mapping(path: Path) -> dict[str, Any]:
    """What a file holds; nothing of one that another program wrote in another form."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
