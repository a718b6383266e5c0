"""Runs by their ids, and what lies below them.

In: MLflow's client. Out: runs; what is not there is no error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from susystream.tracking.label import PARENT, REUSED_FROM
from susystream.tracking.outage import is_unknown

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_AT_MOST = 1000


def run_or_none(client: MlflowClient, run_id: str) -> Run | None:
    """The run of an id; None if there is none, not even a deleted one."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if is_unknown(error):
            return None
        raise


def is_deleted(run: Run) -> bool:
    """Whether a run was deleted, and may be restored."""
    return str(run.info.lifecycle_stage) == "deleted"


def original_of(client: MlflowClient, run: Run) -> Run | None:
    """The run that another one only shows the figures of, or itself; None where that is gone."""
    first = run.data.tags.get(REUSED_FROM)
    found = run if first is None else run_or_none(client, first)
    return None if found is None or is_deleted(found) else found


def runs_below(client: MlflowClient, run: Run) -> list[Run]:
    """The runs that are a part of a run, the oldest first."""
    found = client.search_runs(
        [run.info.experiment_id],
        f"tags.`{PARENT}` = '{run.info.run_id}'",
        max_results=_AT_MOST,
        order_by=["attributes.start_time ASC"],
    )
    return list(found)
