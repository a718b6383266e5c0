"""How a run begins: a new one, or the one that `mlflow run` opened.

In: a client, and where the run is to lie. Out: MLflow's run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from susystream.disclosure import public_uri
from susystream.errors import TrackingError
from susystream.tracking.abandoned import process_tag
from susystream.tracking.label import PARENT
from susystream.tracking.lookup import run_or_none
from susystream.tracking.opened_by_mlflow import VARIABLE, opened_cure
from susystream.tracking.origin import user_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_DRAWN_NAME = re.compile(r"[a-z]+-[a-z]+-\d+")  # what MLflow calls a run nobody named


def begun_run(
    client: MlflowClient, *, name: str, experiment: str, parent_run_id: str | None, uri: str
) -> Run:
    """A run that has begun.

    Args:
        client: Of the tracking server.
        name: Of the run, unless a person named the one that `mlflow run` opened.
        experiment: Where it lies, if it has no parent and nobody opened it.
        parent_run_id: The run it lies under, in whose experiment it is.
        uri: Of the server, for messages.

    Raises:
        TrackingError: The run that `mlflow run` opened is not on this server.
    """
    if parent_run_id is not None:
        place = client.get_run(parent_run_id).info.experiment_id
        return _create(client, name, {PARENT: parent_run_id}, place)
    # `mlflow run` opened one: taken once, by no nested run and no child process
    if claimed := os.environ.pop(VARIABLE, None):
        return _attach(client, claimed, name, uri)
    return _create(client, name, {}, experiment_id(client, experiment))


def experiment_id(client: MlflowClient, name: str) -> str:
    """Of the experiment of that name, which is made if there is none."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name))
    except MlflowException:  # another process made it in between
        found = client.get_experiment_by_name(name)
        if found is None:
            raise
        return str(found.experiment_id)


def _attach(client: MlflowClient, run_id: str, name: str, uri: str) -> Run:
    run = run_or_none(client, run_id)
    if run is None:
        raise TrackingError(
            f"expected MLFLOW_RUN_ID to name a run at {public_uri(uri)}, received "
            f"{run_id}, which is not there; {opened_cure(uri)}"
        )
    given = run.info.run_name or ""
    drawn = _DRAWN_NAME.fullmatch(given) or not given
    client.update_run(run_id, status="RUNNING", name=name if drawn else None)
    if "error" in run.data.tags:  # taken for one that never began
        client.delete_tag(run_id, "error")
    return run


def _create(client: MlflowClient, name: str, tags: Mapping[str, str], place: str) -> Run:
    source = {"mlflow.source.name": "susystream", "mlflow.source.type": "LOCAL"}
    # the process too: a run whose answer is lost stays behind, and is marked later
    tags = {**user_tags(), **process_tag(), **source, **tags}
    return client.create_run(place, tags=tags, run_name=name)
