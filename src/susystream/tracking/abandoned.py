"""Runs whose process was killed outright, and could mark nothing.

In: a tracking server. Out: such runs, marked KILLED instead of RUNNING for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from susystream.process_identity import has_ended, own_identity

if TYPE_CHECKING:
    from mlflow import MlflowClient

_TAG = "mlflow.process"  # MLflow's UI does not show tags of this beginning
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
    gone = [one.info.run_id for one in found if has_ended(one.data.tags.get(_TAG, ""))]
    # looked at again: a run is marked by its process before that ends
    left = [run_id for run_id in gone if client.get_run(run_id).info.status == "RUNNING"]
    for run_id in left:
        client.set_tag(run_id, "error", "its process was killed, or the machine lost it")
        client.set_terminated(run_id, "KILLED")
    return left
