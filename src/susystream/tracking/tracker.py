"""Runs on the tracking server.

In: stages with their settings and figures. Out: MLflow runs that end as what they were: FINISHED,
FAILED with the error's line, or KILLED.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from susystream.errors import SusystreamError, TrackingError
from susystream.settings import without_userinfo
from susystream.tracking.code import code_state
from susystream.tracking.lineage import dataset_input
from susystream.tracking.local_database import ready_database

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

DEFAULT_URI = "sqlite:///mlflow.db"
_BATCH = 100  # MLflow's limit of params a request
_LONGEST = 6000  # and of a param's value
_SAMPLE_SECONDS = 1.0


class TrackedRun:
    """An open run; `Tracker.run` makes it."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client = client
        self.run_id = run_id

    def log_params(self, config: Mapping[str, Any]) -> None:
        """The resolved configuration, nested names joined by dots; known ones are left alone."""
        from mlflow.entities import Param

        known = self._client.get_run(self.run_id).data.params
        params = [
            Param(name, str(value)[:_LONGEST])
            for name, value in flat(config).items()
            if name not in known
        ]
        for start in range(0, len(params), _BATCH):
            self._client.log_batch(self.run_id, params=params[start : start + _BATCH])

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        """Figures, at a step."""
        log_metrics(self._client, self.run_id, metrics, step=step)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Tags."""
        for name, value in tags.items():
            self._client.set_tag(self.run_id, name, value)

    def log_artifact(self, path: Path) -> None:
        """A file."""
        self._client.log_artifact(self.run_id, str(path))

    def log_artifact_text(self, name: str, text: str) -> None:
        """A text under a name."""
        self._client.log_text(self.run_id, text, name)

    def log_figure(self, name: str, figure: Figure) -> None:
        """A picture under a name that ends in `.png`."""
        folder = os.path.dirname(name)  # noqa: PTH120  # an artifact path, not a file
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / Path(name).name
            figure.savefig(path, dpi=120)
            self._client.log_artifact(self.run_id, str(path), folder or None)

    def log_dataset(self, name: str, facts: Mapping[str, Any], *, context: str) -> None:
        """A published slice as an input of the run, with its digest and exact offsets."""
        self._client.log_inputs(self.run_id, [dataset_input(name, facts, context=context)])


class Tracker:
    """A tracking server; nothing is contacted before the first run.

    Args:
        uri: `sqlite:///file`, or `http://...`.
        experiment: Its name.
        system_metrics: Whether to sample CPU, memory and disk during runs.
        timeout_seconds: For a server to answer.
    """

    def __init__(
        self,
        uri: str,
        experiment: str,
        *,
        system_metrics: bool = True,
        timeout_seconds: float = 10.0,
    ) -> None:
        self.uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
        self.experiment = experiment
        self._system_metrics, self._timeout = system_metrics, timeout_seconds
        self._opened: MlflowClient | None = None

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

        Raises:
            TrackingError: The server does not answer.
        """
        with self._errors():
            run = self._begin(name, parent_run_id)
            commit, dirty = code_state()
            run.set_tags({"stage": stage, "commit": commit, "dirty": str(dirty).lower(), **tags})
            run.log_params(params)
            run.log_artifact_text("config.yaml", as_yaml(params))
        status = "KILLED"  # unless something else is known: SIGTERM, Ctrl-C
        try:
            with self._sampled(run.run_id):
                yield run
            status = "FINISHED"
        except Exception as error:
            status = "FAILED"
            text = str(error) if isinstance(error, SusystreamError) else repr(error)
            with self._errors():
                run.set_tags({"error": text[:_LONGEST]})
            raise
        finally:
            with self._errors():
                self._client.set_terminated(run.run_id, status)

    def add_metrics(self, run_id: str, metrics: Mapping[str, float]) -> None:
        """Adds figures to a run that ended."""
        with self._errors():
            log_metrics(self._client, run_id, metrics, step=0)

    def tags_of(self, run_id: str) -> dict[str, str]:
        """The tags of a run; empty if there is no such run."""
        from mlflow.exceptions import MlflowException

        with self._errors():
            try:
                return dict(self._client.get_run(run_id).data.tags)
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return {}
                raise

    def ui_hint(self) -> str:
        """What to type, or where to look, to see the runs."""
        if self.uri.startswith("http"):
            return without_userinfo(self.uri)
        return f"make ui   (mlflow ui --backend-store-uri {without_userinfo(self.uri)})"

    @property
    def _client(self) -> MlflowClient:
        if self._opened is None:
            quiet(self._timeout)
            from mlflow import MlflowClient

            ready_database(self.uri)
            self._opened = MlflowClient(tracking_uri=self.uri)
        return self._opened

    def _begin(self, name: str, parent_run_id: str | None) -> TrackedRun:
        claimed = os.environ.pop("MLFLOW_RUN_ID", None)  # `mlflow run` opened one: take it once
        if claimed is not None and parent_run_id is None:
            self._client.set_tag(claimed, "mlflow.runName", name)
            return TrackedRun(self._client, claimed)
        tags = {"mlflow.runName": name, "mlflow.source.name": "susystream"}
        if parent_run_id is not None:
            tags["mlflow.parentRunId"] = parent_run_id
        made = self._client.create_run(self._experiment_id(), tags=tags, run_name=name)
        return TrackedRun(self._client, made.info.run_id)

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

    @contextmanager
    def _sampled(self, run_id: str) -> Iterator[None]:
        if not self._system_metrics:
            yield
            return
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        monitor: Any = SystemMetricsMonitor(  # type: ignore[no-untyped-call]
            run_id, sampling_interval=_SAMPLE_SECONDS, tracking_uri=self.uri
        )
        monitor.start()
        try:
            yield
        finally:
            monitor.finish()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turns MLflow's errors into one line of ours."""
        from mlflow.exceptions import MlflowException

        address = without_userinfo(self.uri)
        try:
            yield
        except MlflowException as error:
            text = " ".join(str(error).split())
            cure = "start it or correct tracking.uri (or MLFLOW_TRACKING_URI)"
            if "out-of-date database schema" in text or "db upgrade" in text:
                cure = f"back up the database, then: mlflow db upgrade {address}"
            raise TrackingError(
                f"expected the tracking server at {address} to serve a request, received: "
                f"{text.replace(self.uri, address)[:240]}; {cure}"
            ) from error


def log_metrics(
    client: MlflowClient, run_id: str, metrics: Mapping[str, float], *, step: int
) -> None:
    """Figures of one moment."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    found = [Metric(name, value, now, step) for name, value in metrics.items()]
    for start in range(0, len(found), _BATCH):
        client.log_batch(run_id, metrics=found[start : start + _BATCH])


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} as {"a.b": 1}; an empty group keeps its name."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            found.update(flat(value, f"{prefix}{name}."))
        else:
            found[f"{prefix}{name}"] = value
    return found


def as_yaml(config: Mapping[str, Any]) -> str:
    """The configuration as a person would write it."""
    import yaml

    return str(yaml.safe_dump(dict(config), sort_keys=False))


def quiet(timeout_seconds: float) -> None:
    """MLflow retries for minutes and tells of its tables; a person's own settings win."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(int(timeout_seconds)))
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
