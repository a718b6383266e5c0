"""Runs whose process was killed outright, and could mark nothing.

In: a tracking server. Out: such runs, marked KILLED instead of RUNNING for ever, and described as
such; and those that `mlflow run` opened for commands that never began.
"""

from __future__ import annotations

import os
from collections.abc import Container, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from susystream.process_identity import has_ended, own_identity
from susystream.tracking.label import NOTE, PARENT, PROCESS, RUNNING
from susystream.tracking.opened_by_mlflow import VARIABLE, never_begun

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_AT_MOST = 1000
_LOST = "its process was killed, or the machine lost it"


def process_tag() -> dict[str, str]:
    """What each run says of the process that keeps it."""
    return {PROCESS: own_identity()}


def mark_abandoned(
    client: MlflowClient,
    experiment_id: str,
    *,
    kept: Container[str] = (),
    reasons: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """Ends the runs of an experiment whose processes ended without a word.

    Only processes of this machine can be looked at; all others' runs stay as they are.

    Args:
        client: Of the server.
        experiment_id: Of the experiment.
        kept: Runs whose word is still on its way.
        reasons: Why what lies below some runs was ended, by their ids.

    Returns:
        The ids of those of which no reason was known.
    """
    found = client.search_runs(
        [experiment_id], "attributes.status = 'RUNNING'", max_results=_AT_MOST
    )
    parents = {one.info.run_id: one.data.tags.get(PARENT) for one in found}
    known = {run_id: _known(run_id, parents, reasons) for run_id in parents}
    # each is looked at again: a run is marked by its process before that ends
    marked = [
        one.info.run_id
        for one in found
        if one.info.run_id not in kept
        and mark_if_abandoned(client, one, known=known[one.info.run_id])
    ]
    return [run_id for run_id in marked if known[run_id] is None]


def told_of(run_ids: Sequence[str]) -> str:
    """What a person is told of marked runs."""
    runs, ended = ("run is", "process") if len(run_ids) == 1 else ("runs are", "processes")
    ids = ", ".join(run_ids)
    return f"{len(run_ids)} {runs} marked KILLED, whose {ended} ended without a word: {ids}"


def _known(
    run_id: str, parents: Mapping[str, str | None], reasons: Mapping[str, str]
) -> str | None:
    """The reason of what lies at any depth below a run, through runs that did not end either."""
    above, seen = parents.get(run_id), set[str]()
    while above is not None and above not in reasons:
        if above in seen:  # somebody wrote a tag that leads round
            return None
        seen.add(above)
        above = parents.get(above)
    return reasons[above] if above is not None else None


def mark_if_abandoned(
    client: MlflowClient, run: Run, *, gone: bool = False, known: str | None = None
) -> bool:
    """Ends a run whose process ended without a word, or never began, if so.

    Args:
        client: Of the server.
        run: As it was found.
        gone: Whether its process is known to be: after the machine was started again, what the
            run says of it does not tell.
        known: Why its process was ended, if that is known.
    """
    run_id, reason = run.info.run_id, _LOST if gone else _reason(run)
    reason = known if known and reason else reason
    now = client.get_run(run_id) if reason is not None else run
    if reason is None or now.info.status != "RUNNING":
        return False
    client.set_tag(run_id, "error", reason)
    if now.data.tags.get(NOTE, RUNNING).startswith(RUNNING):  # else it tells what it had done
        client.set_tag(run_id, NOTE, _note(reason))
    client.set_terminated(run_id, "KILLED")
    return True


def is_marked(run: Run) -> bool:
    """Whether a run is KILLED only by such a mark, for no reason that is known."""
    return run.data.tags.get("error") == _LOST


def unmark(client: MlflowClient, run_id: str) -> None:
    """Takes the mark's reason from a run whose true end has become known."""
    tags = client.get_run(run_id).data.tags
    for name in tags.keys() - unmarked(tags).keys():
        client.delete_tag(run_id, name)


def unmarked(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags of a run without those of a mark for which no reason is known."""
    marks = {"error": _LOST, NOTE: _note(_LOST)}
    return {name: value for name, value in tags.items() if marks.get(name) != value}


def _note(reason: str) -> str:
    """The description of a run that could write none."""
    return f"**Killed**: {reason}."


def _reason(run: Run) -> str | None:
    if has_ended(run.data.tags.get(PROCESS, "")):
        return _LOST
    if never_begun(run) and run.info.run_id != os.environ.get(VARIABLE):
        return "mlflow run ended before its command began: look at what it printed"
    return None
