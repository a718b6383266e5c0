"""Runs of a recipe, as they were tracked.

In: a recipe's name. Out: its newest finished run, the trials of a sweep, the training of a model.
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from susystream.errors import TrackingError
from susystream.settings import public_uri
from susystream.tracking.address import sqlite_file, tracking_errors
from susystream.tracking.contact import opened
from susystream.tracking.label import RECIPE

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PARENT = "mlflow.parentRunId"
_MOST = 1000


@dataclass(frozen=True, slots=True)
class RecipeRun:
    """A finished run.

    Attributes:
        run_id: Its id.
        started: When, in UTC.
        params: Its configuration, nested names joined by dots.
        metrics: The last value of each of its figures.
        tags: Its tags; `stage` is one.
        learned: Events it trained on, by the name of their data set.
        swept: Of a trial: what sets it apart from the others, as typed.
    """

    run_id: str
    started: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    learned: Mapping[str, int]
    swept: Mapping[str, str] = field(default_factory=dict)


class RecipeRuns:
    """A tracking server that is only read; `open_runs` makes it.

    Args:
        client: Of the server.
        uri: Its address.
    """

    def __init__(self, client: MlflowClient, uri: str) -> None:
        self._client, self._uri = client, uri

    def newest(self, recipe: str, *, stage: str | None = None) -> RecipeRun | None:
        """The newest finished run of a recipe; with no stage, of a command and not of a trial."""
        wanted = f"attributes.status = 'FINISHED' and tags.{RECIPE} = '{recipe}'"
        if stage is not None:
            wanted += f" and tags.stage = '{stage}'"
        found = self._search(wanted)
        tops = [one for one in found if stage is not None or _PARENT not in one.tags]
        return tops[0] if tops else None

    def trials(self, sweep: RecipeRun) -> list[RecipeRun]:
        """Of a sweep, by number; a trial that was reused may lie under another sweep's run."""
        rows = list(csv.DictReader(io.StringIO(self._text(sweep.run_id, "trials.csv"))))
        rows.sort(key=lambda row: int(row["trial"]))
        names = list(rows[0])[1:-5] if rows else []  # objective, state, seconds, run_id, error
        with tracking_errors(self._uri):
            found = [_read(self._client.get_run(row["run_id"])) for row in rows if row["run_id"]]
        swept = ({name: row[name] for name in names} for row in rows if row["run_id"])
        return [replace(one, swept=own) for one, own in zip(found, swept, strict=True)]

    def parts_of(self, run: RecipeRun) -> list[RecipeRun]:
        """The runs below a run."""
        return self._search(f"tags.`{_PARENT}` = '{run.run_id}'")

    def training_of(self, model_id: str) -> RecipeRun | None:
        """The run that trained a model, however it ended: its figures may have come later."""
        found = self._search(f"tags.stage = 'train' and tags.model_id = '{model_id}'")
        return found[0] if found else None

    def _search(self, wanted: str) -> list[RecipeRun]:
        with tracking_errors(self._uri):
            ids = [one.experiment_id for one in self._client.search_experiments()]
            found = self._client.search_runs(
                ids, wanted, max_results=_MOST, order_by=["attributes.start_time DESC"]
            )
        return [_read(one) for one in found]

    def _text(self, run_id: str, name: str) -> str:
        with tempfile.TemporaryDirectory() as scratch, tracking_errors(self._uri):
            path = self._client.download_artifacts(run_id, name, scratch)
            return Path(path).read_text(encoding="utf-8")


@contextmanager
def open_runs(uri: str, *, timeout_seconds: float = 10.0) -> Iterator[RecipeRuns]:
    """The server at an address; nothing is made there.

    Raises:
        TrackingError: There is none.
    """
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        raise TrackingError(
            f"expected a tracking database at {public_uri(uri)}, received no such file; "
            "correct --tracking-uri (or MLFLOW_TRACKING_URI), or run a recipe first"
        )
    yield RecipeRuns(opened(uri, timeout_seconds=timeout_seconds), uri)


def _read(run: Any) -> RecipeRun:
    started = datetime.fromtimestamp(run.info.start_time / 1000, timezone.utc)
    return RecipeRun(
        str(run.info.run_id),
        started.isoformat(timespec="seconds"),
        dict(run.data.params),
        dict(run.data.metrics),
        dict(run.data.tags),
        dict(_learned(run)),
    )


def _learned(run: Any) -> Iterator[tuple[str, int]]:
    for one in run.inputs.dataset_inputs if run.inputs else ():
        if any(tag.value == "training" for tag in one.tags):
            rows = int(json.loads(one.dataset.profile or "{}").get("num_rows", 0))
            yield one.dataset.name.partition(" ")[0], rows  # its id stands behind the name
