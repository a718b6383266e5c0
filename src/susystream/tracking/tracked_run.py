"""What a stage logs while its run is open.

In: settings, figures, files, data sets. Out: requests to the tracking server, within its limits.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from susystream.disclosure import public_text
from susystream.tracking.address import tracking_errors
from susystream.tracking.lineage import dataset_input
from susystream.tracking.precedence import Precedence

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient
    from mlflow.entities import Metric

_BATCH = 100  # MLflow's limit of params and of tags a request
_METRICS_BATCH = 1000
_LONGEST_PARAM = 6000
_LONGEST_TAG = 8000
_NOTE = "mlflow.note.content"  # the UI shows it as the run's description
_LONGEST_NAME = 250
_FOREIGN = re.compile(r"[^\w.\-/ :]", re.ASCII)  # what MLflow refuses in a name
_T = TypeVar("_T")


class TrackedRun:
    """An open run; `Tracker.run` makes it. Every method raises TrackingError, nothing else.

    Attributes:
        run_id: MLflow's id of the run.
    """

    def __init__(self, client: MlflowClient, run_id: str, *, uri: str) -> None:
        self.run_id = run_id
        self._client, self._uri = client, uri
        self._precedence = Precedence()

    @property
    def experiment(self) -> str:
        """The name of the experiment the run lies in, which `mlflow run` may have chosen."""
        with self._errors():
            experiment_id = self._client.get_run(self.run_id).info.experiment_id
            return str(self._client.get_experiment(experiment_id).name)

    def log_params(self, config: Mapping[str, Any]) -> None:
        """The resolved configuration, nested names joined by dots.

        A name that is taken with another value (`mlflow run` logged the parameter as typed, an
        override changed it) goes under `config.<name>`: a param never changes.
        """
        from mlflow.entities import Param

        with self._errors():
            known = dict(self._client.get_run(self.run_id).data.params)
            params = [Param(name, value) for name, value in new_params(flat(config), known).items()]
            for batch in _batches(params, _BATCH):
                self._client.log_batch(self.run_id, params=batch)

    def log_metrics(
        self, metrics: Mapping[str, float], *, step: int | None = None, beside: bool = False
    ) -> None:
        """Figures of one moment, at a step (0 if none is given); `beside` as in `log_points`."""
        self.log_points([(name, value, step or 0) for name, value in metrics.items()], beside)

    def log_points(self, points: Sequence[tuple[str, float, int]], beside: bool = False) -> None:
        """Figures of many steps at once, as (name, value, step).

        Args:
            points: Of this moment.
            beside: Whether they only accompany the run: those wait for its first own figures,
                half a minute at most.
        """
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        found = [Metric(safe_name(name), float(value), now, step) for name, value, step in points]
        self._send(self._precedence.passed(found, beside=beside))

    def finish_metrics(self) -> None:
        """Sends what only accompanied a run that had no figures of its own."""
        self._send(self._precedence.rest())

    def _send(self, found: Sequence[Metric]) -> None:
        with self._errors():
            for batch in _batches(found, _METRICS_BATCH):
                self._client.log_batch(self.run_id, metrics=batch)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Tags; a later value replaces an earlier one."""
        from mlflow.entities import RunTag

        found = [RunTag(safe_name(k), str(v)[:_LONGEST_TAG]) for k, v in tags.items()]
        with self._errors():
            for batch in _batches(found, _BATCH):
                self._client.log_batch(self.run_id, tags=batch)

    def set_note(self, markdown: str) -> None:
        """The run's description in the UI; a later one replaces an earlier one."""
        text = public_text(markdown)
        if len(text) > _LONGEST_TAG:  # whole lines
            text = text[: _LONGEST_TAG - 2].rpartition("\n")[0] + "\n…"
        self.set_tags({_NOTE: text})

    def log_artifact(self, path: Path) -> None:
        """A file, under its own name."""
        with self._errors():
            self._client.log_artifact(self.run_id, str(path))

    def log_artifact_text(self, name: str, text: str) -> None:
        """A text under a name."""
        with self._errors():
            self._client.log_text(self.run_id, text, name)

    def log_figure(self, name: str, figure: Figure) -> None:
        """A picture under a name whose ending says the format: `.png`, `.svg`."""
        folder = os.path.dirname(name)  # noqa: PTH120  # an artifact path, not a file
        with tempfile.TemporaryDirectory() as scratch, self._errors():
            path = Path(scratch) / Path(name).name
            figure.savefig(path, dpi=120)
            self._client.log_artifact(self.run_id, str(path), folder or None)

    def log_dataset(self, name: str, facts: Mapping[str, Any], *, context: str) -> None:
        """Events as an input of the run: a slice by its exact offsets, or other events."""
        with self._errors():
            self._client.log_inputs(self.run_id, [dataset_input(name, facts, context=context)])

    def _errors(self) -> AbstractContextManager[None]:
        return tracking_errors(self._uri)


def new_params(config: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, str]:
    """The params still to be logged, as MLflow takes them."""
    found: dict[str, str] = {}
    for name, value in config.items():
        key, text = safe_name(name), str(value)[:_LONGEST_PARAM]
        if known.get(key, text) != text:
            key = safe_name(f"config.{name}")
        if key not in known:
            found[key] = text
    return found


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} as {"a.b": 1}; an empty group keeps its name."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            found.update(flat(value, f"{prefix}{name}."))
        else:
            found[f"{prefix}{name}"] = value
    return found


def safe_name(name: str) -> str:
    """The name with every character MLflow refuses replaced by `_`.

    Example:
        >>> safe_name("rejection@0.5")
        'rejection_0.5'
    """
    return _FOREIGN.sub("_", str(name))[:_LONGEST_NAME]


def as_yaml(config: Mapping[str, Any]) -> str:
    """The configuration as a person would write it."""
    import yaml

    return str(yaml.safe_dump(dict(config), sort_keys=False))


def _batches(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
