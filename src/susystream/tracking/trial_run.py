"""The run of a trial whose own process can say nothing of it.

In: a tracking server, a sweep's run, a trial's number. Out: the id of the trial's run.
"""

from __future__ import annotations

from susystream.tracking.address import tracking_errors
from susystream.tracking.contact import opened
from susystream.tracking.label import PARENT, TRIAL


def run_of_trial(
    parent_run_id: str, number: int, *, uri: str, timeout_seconds: float, patience_seconds: float
) -> str | None:
    """The newest run of a trial in its sweep; None if it never opened one.

    Args:
        parent_run_id: The sweep's run.
        number: Of the trial.
        uri: Of the server.
        timeout_seconds: For each answer.
        patience_seconds: For a server that went away to be back.

    Raises:
        TrackingError: It does not answer.
    """
    client = opened(uri, timeout_seconds=timeout_seconds, patience_seconds=patience_seconds)
    with tracking_errors(uri):
        place = client.get_run(parent_run_id).info.experiment_id
        found = client.search_runs(
            [place],
            f"tags.`{PARENT}` = '{parent_run_id}' and tags.{TRIAL} = '{number}'",
            max_results=1,
            order_by=["attributes.start_time DESC"],
        )
    return str(found[0].info.run_id) if found else None
