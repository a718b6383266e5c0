"""Runs on the tracking server.

In: stages with their settings. Out: MLflow runs that end as what they were: FINISHED, FAILED with
the error's line, or KILLED.
"""

from __future__ import annotations

import getpass
import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from traceback import clear_frames
from typing import TYPE_CHECKING, Any

from susystream import __version__
from susystream.errors import TrackingError, TrialPruned, line_of
from susystream.interruption import told
from susystream.settings import public_uri
from susystream.tracking.abandoned import mark_abandoned, process_tag
from susystream.tracking.address import (
    DEFAULT_URI,
    first_contact,
    quiet,
    tracking_errors,
    ui_hint,
)
from susystream.tracking.code import code_state
from susystream.tracking.finished import FinishedRun, adopt, finished_run
from susystream.tracking.label import PRUNED, TRIAL_STATE, Label
from susystream.tracking.local_database import check_ready, ready_database
from susystream.tracking.opened_by_mlflow import VARIABLE, opened_cure, opened_experiment
from susystream.tracking.system_metrics import sampled
from susystream.tracking.tracked_run import TrackedRun, as_yaml

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["DEFAULT_URI", "TrackedRun", "Tracker", "ui_hint"]

_LONGEST_ERROR = 1000
_DRAWN_NAME = re.compile(r"[a-z]+-[a-z]+-\d+")  # what MLflow calls a run nobody named
_log = logging.getLogger(__name__)


class Tracker:
    """A tracking server; nothing is contacted before the first run.

    Args:
        uri: `sqlite:///file`, or `http://...`; empty for MLFLOW_TRACKING_URI or the default.
        experiment: Its name.
        system_metrics: Whether to sample CPU, memory and disk during runs.
        timeout_seconds: For a server to answer.
        label: What a run that no stage put below another bears beside its stage's words.

    Attributes:
        run_id: The last such run, once it is opened.
    """

    def __init__(
        self,
        uri: str,
        experiment: str,
        *,
        system_metrics: bool = True,
        timeout_seconds: float = 10.0,
        label: Label | None = None,
    ) -> None:
        self.uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
        self.experiment = experiment
        self._system_metrics, self._timeout = system_metrics, timeout_seconds
        self._label = label or Label()
        self.run_id: str | None = None
        self._opened: MlflowClient | None = None
        self._looked = False

    @contextmanager
    def run(
        self,
        stage: str,
        *,
        name: str,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        parent_run_id: str | None = None,
    ) -> Iterator[TrackedRun]:
        """An open run, ended as what it was when the block ends.

        The first run without a parent in a process tree started by `mlflow run` is the run that
        `mlflow run` opened; a run with a parent lies in its parent's experiment.

        Raises:
            TrackingError: The server does not answer or refuses; an error of the block itself is
                never hidden by one of the server.
        """
        own = parent_run_id is None
        if own:
            name, tags = self._label.name or name, {**tags, **self._label.tags}
            parent_run_id = self._label.parent_run_id
        self.end_abandoned(once=True)
        run = TrackedRun(self._client, self._begin(name, parent_run_id), uri=self.uri)
        self.run_id = run.run_id if own else self.run_id
        try:
            run.set_tags({**_origin(), **process_tag(), "stage": stage, **tags})
            run.log_params(params)
            run.log_artifact_text("config.yaml", as_yaml(params))
            with sampled(run.run_id, uri=self.uri) if self._system_metrics else nullcontext():
                yield run
        except BaseException as error:
            self._end_broken(run, error)
            raise
        with tracking_errors(self.uri):
            self._client.set_terminated(run.run_id, "FINISHED")

    def end_abandoned(self, *, once: bool = False) -> None:
        """Marks runs whose processes were killed outright; `once`: only the first time."""
        if self._looked and once:
            return
        self._looked = True
        with tracking_errors(self.uri):
            experiment = opened_experiment(self._client) or self._experiment_id()
            marked = mark_abandoned(self._client, experiment)
        if marked:
            _log.warning(
                "%d runs are marked KILLED, whose processes ended without a word: %s",
                len(marked),
                ", ".join(marked),
            )

    def add_metrics(
        self, run_id: str, metrics: Mapping[str, float], *, step: int | None = None
    ) -> None:
        """Adds figures to a run of another command, or to one that ended."""
        TrackedRun(self._client, run_id, uri=self.uri).log_metrics(metrics, step=step)

    def finished_run(self, config_hash: str, *, beside: str) -> FinishedRun | None:
        """The newest run that finished with a configuration, in the experiment of another run."""
        with tracking_errors(self.uri):
            experiment = self._client.get_run(beside).info.experiment_id
            return finished_run(self._client, experiment, config_hash=config_hash)

    def adopt(self, run: FinishedRun, *, parent_run_id: str) -> bool:
        """Moves a run from a parent that never finished to the one that goes on with its work."""
        with tracking_errors(self.uri):
            return adopt(self._client, run, parent_run_id=parent_run_id)

    def tags_of(self, run_id: str) -> dict[str, str]:
        """The tags of a run; empty if there is no such run."""
        from mlflow.exceptions import MlflowException

        client = self._client
        with tracking_errors(self.uri):
            try:
                return dict(client.get_run(run_id).data.tags)
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return {}
                raise

    def ui_hint(self) -> str:
        """What to type, or where to look, to see the runs."""
        return ui_hint(self.uri)

    @property
    def _client(self) -> MlflowClient:
        if self._opened is None:
            quiet(self._timeout)
            from mlflow import MlflowClient

            with tracking_errors(self.uri), first_contact():
                check_ready(self.uri, timeout_seconds=self._timeout)
                ready_database(self.uri)
                client = MlflowClient(tracking_uri=self.uri)
                client.search_experiments(max_results=1)
            self._opened = client
        return self._opened

    def _begin(self, name: str, parent_run_id: str | None) -> str:
        client = self._client
        with tracking_errors(self.uri):
            if parent_run_id is None:
                # `mlflow run` opened one: taken once, by no nested run and no child process
                claimed = os.environ.pop(VARIABLE, None)
                return self._attach(claimed, name) if claimed else self._create(name, {})
            experiment = client.get_run(parent_run_id).info.experiment_id
            return self._create(name, {"mlflow.parentRunId": parent_run_id}, experiment)

    def _attach(self, run_id: str, name: str) -> str:
        from mlflow.exceptions import MlflowException

        try:
            opened = self._client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise TrackingError(
                f"expected MLFLOW_RUN_ID to name a run at {public_uri(self.uri)}, received "
                f"{run_id}, which is not there; {opened_cure(self.uri)}"
            ) from error
        given = opened.info.run_name or ""
        drawn = _DRAWN_NAME.fullmatch(given) or not given
        self._client.update_run(run_id, status="RUNNING", name=name if drawn else None)
        if "error" in opened.data.tags:  # taken for one that never began
            self._client.delete_tag(run_id, "error")
        return run_id

    def _create(self, name: str, tags: Mapping[str, str], experiment: str | None = None) -> str:
        tags = {"mlflow.source.name": "susystream", "mlflow.source.type": "LOCAL", **tags}
        made = self._client.create_run(
            experiment or self._experiment_id(), tags={**_user(), **tags}, run_name=name
        )
        return str(made.info.run_id)

    def _experiment_id(self) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(self.experiment)
        if found is not None:
            return str(found.experiment_id)
        try:
            return str(self._client.create_experiment(self.experiment))
        except MlflowException:  # another process made it in between
            found = self._client.get_experiment_by_name(self.experiment)
            if found is None:
                raise
            return str(found.experiment_id)

    def _end_broken(self, run: TrackedRun, error: BaseException) -> None:
        """Marks the run; if the server is gone too, the first error is the one to be told."""
        status = _ending(error)
        if not isinstance(error, Exception):  # a signal may strike within a transaction, which
            clear_frames(
                error.__traceback__
            )  # would hold the database as long as its frame is kept
        try:
            if status in ("FAILED", "KILLED"):  # `mlflow run` makes FAILED of KILLED: this stays
                run.set_tags({"error": _one_line(error)})
            if isinstance(error, TrialPruned):
                run.set_tags({TRIAL_STATE: PRUNED})
            with tracking_errors(self.uri):
                self._client.set_terminated(run.run_id, status)
        except TrackingError as second:
            _log.warning("run %s could not be marked %s: %s", run.run_id, status, second)


def _ending(error: BaseException) -> str:
    if isinstance(error, TrialPruned):
        return "FINISHED"
    if isinstance(error, Exception):
        return "FAILED"
    if isinstance(error, SystemExit) and not error.code:
        return "FINISHED"
    return "KILLED"  # Ctrl-C, or the exit from a SIGTERM handler


def _one_line(error: BaseException) -> str:
    text = line_of(error) if isinstance(error, Exception) else told(error)
    return text[:_LONGEST_ERROR]


def _origin() -> dict[str, str]:
    commit, dirty = code_state()
    tags = {"commit": commit, "dirty": str(dirty).lower(), "version": __version__}
    return tags if commit == "unknown" else {**tags, "mlflow.source.git.commit": commit}


def _user() -> dict[str, str]:
    try:
        return {"mlflow.user": getpass.getuser()}
    except (KeyError, OSError, ImportError):  # a container's user without a name
        return {}
