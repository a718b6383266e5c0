"""What became of the trials of a sweep.

In: outcomes, each written beside its trial's result by whichever process or machine ran it. Out:
the same, read by whoever started the sweep.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

FILE = "trial.json"
State = Literal["finished", "reused", "pruned", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a trial.

    Attributes:
        parent_run_id: The run of its sweep.
        number: Of the trial.
        parameters: Of the trial.
        state: `reused`: a run with the same configuration had finished before.
        seconds: Wall time.
        objective: What it is judged by; of a pruned one when it ended; none of a failed one.
        rows: Events it handled.
        run_id: Its run; none where it failed before one was opened.
        model_ids: Models it stored.
        metrics: All its figures.
        error: One line, of a failed or pruned one, or of one whose figures have yet to reach the
            tracking server.
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
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"{FILE}.part"
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        draft.replace(folder / FILE)


def read_outcome(folder: Path) -> Outcome:
    """The one in `folder`."""
    return Outcome(**json.loads((folder / FILE).read_text(encoding="utf-8")))


def outcomes(folder: Path, *, parent_run_id: str) -> list[Outcome]:
    """Of all trials of a sweep, by number; `folder` may hold those of others too."""
    found = map(_mapping, folder.rglob(FILE))
    ours = (Outcome(**one) for one in found if one.get("parent_run_id") == parent_run_id)
    return sorted(ours, key=lambda one: one.number)


def _mapping(path: Path) -> dict[str, Any]:
    """What a file holds; nothing of one that another program wrote in another form."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
