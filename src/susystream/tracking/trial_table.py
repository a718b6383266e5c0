"""The table of a sweep's trials, as its run holds it.

In: the text of `trials.csv`. Out: its rows, by number, and which of them are results.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from susystream.errors import TrackingError

_FIRST, _LAST = "trial", ("state", "seconds", "run_id", "error")
_DONE = ("finished", "reused")


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A trial.

    Attributes:
        number: From 0.
        swept: What sets it apart from the others, as typed.
        state: What became of it.
        run_id: Of its run; empty where it failed before one was opened.
    """

    number: int
    swept: Mapping[str, str]
    state: str
    run_id: str


def read_trials(text: str, *, place: str) -> list[TrialRow]:
    """The rows, by number.

    Args:
        text: CSV: number, what is swept, objective, state, seconds, run_id, error.
        place: Where it stands, for errors.

    Raises:
        TrackingError: It is not of that form.
    """
    table = csv.DictReader(io.StringIO(text), strict=True)
    try:
        names = list(table.fieldnames or ())
        if names[:1] != [_FIRST] or tuple(names[-4:]) != _LAST or len(names) < 6:
            raise ValueError(f"the columns {', '.join(names) or '(none)'}")
        rows = [_row(one, names[1:-5]) for one in table]
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise TrackingError(
            f"expected the columns {_FIRST}, …, {', '.join(_LAST)} in {place}, received {error}; "
            "make another sweep"
        ) from error
    return sorted(rows, key=lambda one: one.number)


def judged_rows(rows: Sequence[TrialRow]) -> list[TrialRow]:
    """Those that finished, in this sweep or before it."""
    return [one for one in rows if one.state in _DONE and one.run_id]


def _row(cells: Mapping[str, str], names: Sequence[str]) -> TrialRow:
    swept = {name: cells[name] for name in names}
    return TrialRow(int(cells[_FIRST]), swept, cells["state"], cells["run_id"])
