"""Runs on the tracking server.

In: stages with their settings. Out: MLflow runs that end as what they were: FINISHED, FAILED with
the error's line, or KILLED.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from traceback import clear_frames
from typing import TYPE_CHECKING, Any

from susystream.errors import TrackingError
from susystream.tracking.abandoned import mark_abandoned, process_tag, told_of
from susystream.tracking.address import DEFAULT_URI, is_server, tracking_errors, ui_hint
from susystream.tracking.contact import opened, wait_for
from susystream.tracking.ending import ending_tags, status_of
from susystream.tracking.finished import FormerRuns
from susystream.tracking.journal_folder import kept_runs
from susystream.tracking.label import REUSED, TESTED, Label
from susystream.tracking.left_behind import deliver_all
from susystream.tracking.lookup import run_or_none
from susystream.tracking.opened_by_mlflow import opened_experiment
from susystream.tracking.opening import begun_run, experiment_id
from susystream.tracking.origin import origin_tags
from susystream.tracking.outbox import Outbox
from susystream.tracking.recorded_run import RecordedRun, recorded_run
from susystream.tracking.recorded_tests import RecordedTests, recorded_tests
from susystream.tracking.system_metrics import sampled
from susystream.tracking.tracked_run import TrackedRun, as_yaml

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["DEFAULT_URI", "TrackedRun", "Tracker", "ui_hint"]

_UNWATCHED = (TESTED, REUSED)  # stages that leave the machine alone, or are watched above
_log = logging.getLogger(__name__)


class Tracker:
    """A tracking server; nothing is contacted before the first run.

    A server that goes away later ends no run: what is logged is kept, and sent when it is back.
    `with` makes the last attempt; what is then left goes with the next command, or with
    `susystream runs deliver`.

    Args:
        uri: `sqlite:///file`, or `http://...`; empty for MLFLOW_TRACKING_URI or the default.
        experiment: Its name.
        system_metrics: Whether to sample CPU, memory and disk during runs.
        pictures: Whether runs get those that are logged.
        timeout_seconds: For a server to answer.
        patience_seconds: For a server that went away to be back, where nothing goes on without it.
        folder: Where that is kept.
        say: Tells a person of it.
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
        pictures: bool = True,
        timeout_seconds: float = 10.0,
        patience_seconds: float = 30.0,
        folder: Path = Path(".susystream/tracking"),
        say: Callable[[str], None] = _log.warning,
        label: Label | None = None,
    ) -> None:
        self.uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
        self.experiment = experiment
        self._system_metrics, self._pictures = system_metrics, pictures
        self._timeout = timeout_seconds
        self._label = label or Label()
        self.run_id: str | None = None
        self._patience, self._folder, self._say = patience_seconds, folder, say
        self._opened: MlflowClient | None = None
        self._looked = False
        self._outbox = Outbox(
            self.uri,
            client=lambda: self._client,
            folder=folder,
            timeout_seconds=timeout_seconds,
            say=say,
        )

    def __enter__(self) -> Tracker:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Sends what is left.

        Raises:
            TrackingError: The server is still away; an error of the block is never hidden by it.
        """
        try:
            self._outbox.close(self._patience if error is None else 0)
        except TrackingError as left:
            if error is None:
                raise
            self._say(str(left))

    @contextmanager
    def run(
        self,
        stage: str,
        *,
        name: str,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        parent_run_id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> Iterator[TrackedRun]:
        """An open run, ended as what it was when the block ends.

        The first run without a parent in a process tree started by `mlflow run` is the run that
        `mlflow run` opened; a run with a parent lies in its parent's experiment.

        Args:
            stage: What runs.
            name: As shown in the UI.
            params: What runs are compared by, at any depth.
            tags: As they are known now.
            parent_run_id: The run that this one is a part of.
            config: The whole configuration, for `config.yaml`; None: that is `params`.

        Raises:
            TrackingError: The server does not answer when the run begins, or refuses something;
                an error of the block itself is never hidden by one of the server.
        """
        tags, own = {**self._label.everywhere, **tags}, parent_run_id is None
        if own:
            name, tags = self._label.name or name, {**tags, **self._label.tags}
            parent_run_id = self._label.parent_run_id
        if self._opened is not None:
            self.wait(self._patience)
        self.end_abandoned(once=True)
        run, known = self._begin(name, parent_run_id)
        self.run_id = run.run_id if own else self.run_id
        try:
            run.set_tags({**origin_tags(), **process_tag(), "stage": stage, **tags})
            run.log_params(params, known=known)
            run.log_artifact_text("config.yaml", as_yaml(config or params))
            watched = self._system_metrics and stage not in _UNWATCHED
            with sampled(run, uri=self.uri) if watched else nullcontext():
                yield run
            run.finish_metrics()
        except BaseException as error:
            self._end_broken(run, error)
            raise
        run.end("FINISHED")

    def wait(self, seconds: float = math.inf) -> None:
        """Until the server answers, so long at most: a run cannot begin without its id."""
        wait_for(self._client, self.uri, seconds, say=self._say)

    def end_abandoned(
        self, *, once: bool = False, reasons: Mapping[str, str] | None = None
    ) -> None:
        """Delivers and marks what commands that ended left.

        Args:
            once: Only the first time.
            reasons: As of `mark_abandoned`.
        """
        if self._looked and once:
            return
        self._looked = True
        deliver_all(self._folder, self.uri, self._client, say=self._say)
        with tracking_errors(self.uri):
            kept = kept_runs(self._folder)  # another command may be at it
            lost = mark_abandoned(self._client, self._place(), kept=kept, reasons=reasons or {})
        if lost:
            _log.warning(told_of(lost))

    def add_metrics(
        self,
        run_id: str,
        metrics: Mapping[str, float],
        *,
        step: int | None = None,
        whose: str = "",
    ) -> None:
        """Adds figures to a run of another command, or an ended one; `whose` as of `Entry`."""
        run = TrackedRun(self._outbox, run_id, experiment=self.experiment, own=False, whose=whose)
        run.log_metrics(metrics, step=step)

    @property
    def former(self) -> FormerRuns:
        """What earlier commands left on this server."""
        return FormerRuns(self._client, self.uri)

    def tags_of(self, run_id: str) -> dict[str, str]:
        """The tags of a run; empty if there is no such run."""
        found = self._found(run_id)
        return dict(found.data.tags) if found else {}

    def place_of(self, run_id: str) -> str | None:
        """Where a run is in the UI, as a link within it; None if there is none, or no answer."""
        found = None
        with suppress(TrackingError):
            found = self._found(run_id)
        return f"#/experiments/{found.info.experiment_id}/runs/{run_id}" if found else None

    def recorded(self, run_id: str) -> RecordedRun:
        """What a run of ours recorded of itself.

        Raises:
            TrackingError: There is no such run, more than one, or none of ours.
        """
        client = self._client
        with tracking_errors(self.uri):
            return recorded_run(client, run_id, uri=self.uri)

    def ui_hint(self, run_id: str) -> str:
        """What to type, or where to look, to see a run."""
        return ui_hint(self.uri, place=self.place_of(run_id) if is_server(self.uri) else None)

    @property
    def _client(self) -> MlflowClient:
        if self._opened is None:
            # a sweep's server did answer: it is waited for by each trial as in a run
            patience = self._patience if self._label.parent_run_id else 0.0
            self._opened = opened(
                self.uri, timeout_seconds=self._timeout, patience_seconds=patience, say=self._say
            )
        return self._opened

    def _place(self) -> str:
        """The experiment in which this command's runs lie, or will."""
        if self.run_id is not None:
            return str(self._client.get_run(self.run_id).info.experiment_id)
        return opened_experiment(self._client) or experiment_id(self._client, self.experiment)

    def tests_of(self, run_id: str) -> RecordedTests | None:
        """What a run tested; None if it is none that tests. Errors as of `recorded`."""
        client = self._client
        with tracking_errors(self.uri):
            return recorded_tests(client, run_id)

    def _found(self, run_id: str) -> Run | None:
        client = self._client
        with tracking_errors(self.uri):
            return run_or_none(client, run_id)

    def _begin(self, name: str, parent_run_id: str | None) -> tuple[TrackedRun, dict[str, str]]:
        """A run, and the params that it has already."""
        client = self._client
        with tracking_errors(self.uri):
            run = begun_run(
                client,
                name=name,
                experiment=self.experiment,
                parent_run_id=parent_run_id,
                uri=self.uri,
            )
            place = str(client.get_experiment(run.info.experiment_id).name)
        run_id = str(run.info.run_id)
        tracked = TrackedRun(self._outbox, run_id, experiment=place, pictures=self._pictures)
        return tracked, dict(run.data.params)

    def _end_broken(self, run: TrackedRun, error: BaseException) -> None:
        """Marks the run; if the server refuses that, the first error is the one to be told."""
        status = status_of(error)
        if not isinstance(error, Exception):
            # a signal may strike within a transaction, whose frame would hold the database
            clear_frames(error.__traceback__)
        try:
            run.set_tags(ending_tags(error))
            run.finish_metrics()
            run.end(status)
        except TrackingError as second:
            _log.warning("run %s could not be marked %s: %s", run.run_id, status, second)
