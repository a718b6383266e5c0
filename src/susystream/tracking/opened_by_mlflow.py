"""The run that `mlflow run` opened before it started this command.

In: what it handed over by the environment. Out: that run's experiment, and one line where another
was typed; the run marked FAILED, with the reason, by a command that ended before any stage took it;
runs whose command never began.
"""

from __future__ import annotations

import os
import shlex
import time
from typing import TYPE_CHECKING

from susystream.disclosure import public_uri
from susystream.errors import SettingsError
from susystream.tracking.address import sqlite_file, tracking_errors
from susystream.tracking.contact import opened
from susystream.tracking.label import PROCESS

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

VARIABLE = "MLFLOW_RUN_ID"
# an environment is built in minutes; a run marked too early is RUNNING again once it begins
_BUILDING_SECONDS = 1800.0
_LONGEST_ERROR = 1000


def opened_experiment(client: MlflowClient) -> str | None:
    """The experiment of the run that was opened for this process and is not taken yet."""
    from mlflow.exceptions import MlflowException

    run_id = os.environ.get(VARIABLE)
    if not run_id:
        return None
    try:
        return str(client.get_run(run_id).info.experiment_id)
    except MlflowException:  # of another server: told when the run is to be taken
        return None


def check_place(uri: str, experiment: str, *, timeout_seconds: float) -> None:
    """Refuses another experiment than that in which the run was opened.

    Args:
        uri: Of the tracking server.
        experiment: As typed.
        timeout_seconds: For the server to answer.

    Raises:
        SettingsError: Naming both.
        TrackingError: The server does not answer.
    """
    client = opened(uri, timeout_seconds=timeout_seconds)
    with tracking_errors(uri):
        place = opened_experiment(client)
        name = experiment if place is None else str(client.get_experiment(place).name)
    if name != experiment:
        raise SettingsError(
            f"setting tracking.experiment: expected {name!r}, the experiment in which mlflow run "
            f"opened this run, received {experiment!r}; leave it out and type `mlflow run "
            f"--experiment-name {shlex.quote(experiment)}`, or set MLFLOW_EXPERIMENT_NAME"
        )


def opened_cure(uri: str) -> str:
    """What helps where the opened run is not at the command's own tracking address."""
    stated = os.environ.get("MLFLOW_TRACKING_URI", uri)
    if stated != uri:
        return (
            f"mlflow run opened it at {public_uri(stated)}: leave tracking.uri out, or set "
            "MLFLOW_TRACKING_URI to that address before mlflow run"
        )
    file = sqlite_file(uri)
    if file is not None and not file.is_absolute():
        return (
            f"this address means {file.resolve()}, and another file where mlflow run was typed: "
            "give MLFLOW_TRACKING_URI the whole path"
        )
    return f"unset {VARIABLE} or correct tracking.uri"


def fail_opened_run(line: str) -> None:
    """Says on the run why the command failed before any stage took it; quiet where it cannot."""
    run_id, uri = os.environ.pop(VARIABLE, None), os.environ.get("MLFLOW_TRACKING_URI")
    if not run_id or not uri:
        return
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        client = MlflowClient(tracking_uri=uri)
        client.set_tag(run_id, "error", line[:_LONGEST_ERROR])
        client.set_terminated(run_id, "FAILED")
    except (MlflowException, SQLAlchemyError, OSError):
        return  # the command's own error is the one to be told, and `mlflow run` marks the run too


def never_begun(run: Run) -> bool:
    """Whether `mlflow run` opened the run for this project and ended before its command began.

    It does not mark it when an environment cannot be built, or at Ctrl-C meanwhile.
    """
    tags, age = run.data.tags, time.time() - run.info.start_time / 1000
    ours = tags.get("mlflow.source.type") == "PROJECT" and "overrides" in run.data.params
    return ours and PROCESS not in tags and age > _BUILDING_SECONDS
