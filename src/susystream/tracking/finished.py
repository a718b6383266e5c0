"""Runs that finished before, found by the configuration they had.

In: a hash of a configuration. Out: the run that had it, so that nothing is computed twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from susystream.tracking.label import CONFIG_HASH

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PARENT = "mlflow.parentRunId"


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run that ended well.

    Attributes:
        run_id: Its id.
        metrics: The last value of each of its figures.
        tags: Its tags.
    """

    run_id: str
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


def finished_run(
    client: MlflowClient, experiment_id: str, *, config_hash: str
) -> FinishedRun | None:
    """The newest finished run of an experiment with that configuration; None if there is none."""
    found = client.search_runs(
        [experiment_id],
        f"attributes.status = 'FINISHED' and tags.{CONFIG_HASH} = '{config_hash}'",
        max_results=1,
        order_by=["attributes.start_time DESC"],
    )
    for run in found:
        return FinishedRun(run.info.run_id, dict(run.data.metrics), dict(run.data.tags))
    return None


def adopt(client: MlflowClient, run: FinishedRun, *, parent_run_id: str) -> bool:
    """Moves a run from a parent that never finished to the one that goes on with its work.

    Returns:
        Whether it was moved: a run of a parent that finished, or of none, stays where it is.
    """
    former = run.tags.get(_PARENT)
    if former in (None, parent_run_id) or client.get_run(former).info.status == "FINISHED":
        return False
    client.set_tag(run.run_id, "former_parent", former)
    client.set_tag(run.run_id, _PARENT, parent_run_id)
    client.set_tag(former, "continued_by", parent_run_id)
    return True
