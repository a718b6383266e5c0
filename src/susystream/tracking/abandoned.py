"""Runs whose process was killed outright, and could mark nothing.

In: a tracking server. Out: such runs, marked KILLED instead of RUNNING for ever; and those that
`mlflow run` opened for commands that never began.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from susystream.process_identity import has_ended, own_identity
from susystream.tracking.opened_by_mlflow import VARIABLE, never_begun

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_TAG = "process"
_AT_MOST = 1000


def process_tag() -> dict[str, str]:
    """What each run says of the process that keeps it."""
    return {_TAG: own_identity()}


def mark_abandoned(client: MlflowClient, experiment_id: str) -> list[str]:
    """Ends the runs of an experiment whose processes ended without a word.

    Only processes of this machine can be looked at; all others' runs stay as they are.

    Returns:
        Their ids.
    """
    found = client.search_runs(
        [experiment_id], "attributes.status = 'RUNNING'", max_results=_AT_MOST
    )
    gone = {one.info.run_id: reason for one in found if (reason := _reason(one))}
    # looked at again: a run is marked by its process before that ends
    left = [run_id for run_id in gone if client.get_run(run_id).info.status == "RUNNING"]
    for run_id in left:
        client.set_tag(run_id, "error", gone[run_id])
        client.set_terminated(run_id, "KILLED")
    return left


def _reason(run: Run) -> str | None:
    if has_ended(run.data.tags.get(_TAG, "")):
        return "its process was killed, or the machine lost it"
    if never_begun(run) and run.info.run_id != os.environ.get(VARIABLE):
        return "mlflow run ended before its command began: look at what it printed"
    return None
