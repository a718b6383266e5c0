"""Runs that finished before, found by the configuration they had.

In: a hash of a configuration. Out: the run that had it, so that nothing is computed twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from susystream.tracking.label import CONFIG_HASH, PARENT, PRUNED, SEARCH, TRIAL_STATE
from susystream.tracking.lookup import run_or_none

if TYPE_CHECKING:
    from mlflow import MlflowClient

_ENDED_EARLY = ("FAILED", "KILLED")
_MOST = 100  # runs of one configuration that are looked at


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

    @property
    def model_ids(self) -> tuple[str, ...]:
        """The models it stored or tested."""
        return tuple(filter(None, self.tags.get("model_id", "").split(",")))


def finished_run(
    client: MlflowClient, experiment_id: str, *, config_hash: str, pruned_by: str | None
) -> FinishedRun | None:
    """The newest finished run of an experiment with that configuration; None if there is none.

    Args:
        client: Of the server.
        experiment_id: Where to look.
        config_hash: Of the configuration.
        pruned_by: A search; where no run came to its end, one that it pruned will do.
    """
    found = client.search_runs(
        [experiment_id],
        f"attributes.status = 'FINISHED' and tags.{CONFIG_HASH} = '{config_hash}'",
        max_results=_MOST,
        order_by=["attributes.start_time DESC"],
    )
    runs = [FinishedRun(one.info.run_id, one.data.metrics, one.data.tags) for one in found]
    whole = [one for one in runs if one.tags.get(TRIAL_STATE) != PRUNED]
    pruned = [one for one in runs if pruned_by and one.tags.get(SEARCH) == pruned_by]
    return next(iter([*whole, *pruned]), None)


def adopt(client: MlflowClient, run: FinishedRun, *, parent_run_id: str) -> bool:
    """Moves a run from a parent that ended early to the one that goes on with its work.

    Returns:
        Whether it was moved: a run of a parent that finished or still runs, or of none, stays
        where it is.
    """
    former = run.tags.get(PARENT)
    if former in (None, parent_run_id):
        return False
    parent = run_or_none(client, former)  # none if it was removed for good
    if parent is not None and parent.info.status not in _ENDED_EARLY:
        return False
    client.set_tag(run.run_id, "former_parent", former)
    client.set_tag(run.run_id, PARENT, parent_run_id)
    if parent is not None:
        client.set_tag(former, "continued_by", parent_run_id)
    return True
