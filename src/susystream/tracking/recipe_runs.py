"""Runs of a recipe, as they were tracked.

In: a recipe's name. Out: its finished runs, the trials of a sweep, the training of a model.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from susystream.errors import TrackingError
from susystream.settings import public_uri
from susystream.tracking.address import restoring, sqlite_file, tracking_errors
from susystream.tracking.contact import opened
from susystream.tracking.label import PARENT, RECIPE, VARIANT
from susystream.tracking.lookup import is_deleted, run_or_none
from susystream.tracking.trial_table import TrialRow, judged_rows, read_trials

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PAGE = 1000  # runs
_TRIALS = "trials.csv"
_NO_RECIPE = "null"  # as it is typed


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
        variant: Settings that are not as in the recipe; None where the run says nothing of that.
    """

    run_id: str
    started: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    learned: Mapping[str, int]
    swept: Mapping[str, str] = field(default_factory=dict)
    variant: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Trials:
    """The trials of a sweep.

    Attributes:
        done: Those that finished in it or before it, by number.
        others: How many did not, by what became of them.
    """

    done: tuple[RecipeRun, ...]
    others: Mapping[str, int]


class RecipeRuns:
    """A tracking server that is only read; `open_runs` makes it.

    Args:
        client: Of the server.
        uri: Its address.
        page: How many runs are asked for at once.
    """

    def __init__(self, client: MlflowClient, uri: str, *, page: int = _PAGE) -> None:
        self._client, self._uri, self._page = client, uri, page

    def finished(self, recipe: str, *, stage: str | None = None) -> Iterator[RecipeRun]:
        """The finished runs of a recipe's commands, of a stage if one is named; the newest first.

        A trial is no command, though its sweep is one.
        """
        wanted = f"attributes.status = 'FINISHED' and tags.{RECIPE} = '{recipe}'"
        if stage is not None:
            wanted += f" and tags.stage = '{stage}'"
        return (one for one in self._search(wanted) if PARENT not in one.tags)

    def trials(self, sweep: RecipeRun) -> Trials | None:
        """Of a sweep; None where it holds no `trials.csv`.

        A trial that was reused may lie under another sweep's run.

        Raises:
            TrackingError: The file is not of that form, or a trial's run was deleted.
        """
        text = self._text(sweep.run_id, _TRIALS)
        if text is None:
            return None
        rows = read_trials(text, place=f"{_TRIALS} of run {sweep.run_id}")
        done = judged_rows(rows)
        with tracking_errors(self._uri):
            runs = [self._trial(one, sweep) for one in done]
        return Trials(
            tuple(replace(run, swept=one.swept) for run, one in zip(runs, done, strict=True)),
            Counter(one.state for one in rows if one not in done),
        )

    def _trial(self, row: TrialRow, sweep: RecipeRun) -> RecipeRun:
        """The run of a trial: one that a person took away counts no longer."""
        run = run_or_none(self._client, row.run_id)
        if run is not None and not is_deleted(run):
            return _read(run)
        received, cure = (
            ("none", "")
            if run is None
            else ("one that was deleted", f"restore it: {restoring(row.run_id, self._uri)}, or ")
        )
        raise TrackingError(
            f"expected run {row.run_id}, which is trial {row.number} of sweep {sweep.run_id}, "
            f"received {received}; {cure}give the sweep's command again"
        )

    def parts_of(self, run: RecipeRun) -> list[RecipeRun]:
        """The runs below a run."""
        return list(self._search(f"tags.`{PARENT}` = '{run.run_id}'"))

    def training_of(self, model_id: str) -> RecipeRun | None:
        """The run that trained a model, however it ended: its figures may have come later."""
        return next(self._search(f"tags.stage = 'train' and tags.model_id = '{model_id}'"), None)

    def publications_of(self, dataset_id: str) -> list[RecipeRun]:
        """The runs that published a data set, or found it there: all are of the same events."""
        return list(self._search(f"tags.stage = 'publish' and tags.dataset_id = '{dataset_id}'"))

    def recipe_of(self, run: RecipeRun) -> str | None:
        """Of the command that made a run: those below its own do not say it.

        Returns:
            Its name, `null` of a command without one; None where the command's run was removed, or
            a tag of somebody leads round.
        """
        seen = set[str]()
        while RECIPE not in run.tags and (above := run.tags.get(PARENT)):
            if above in seen:
                return None
            seen.add(above)
            with tracking_errors(self._uri):
                found = run_or_none(self._client, above)
            if found is None:
                return None
            run = _read(found)
        return run.tags.get(RECIPE, _NO_RECIPE)

    def _search(self, wanted: str) -> Iterator[RecipeRun]:
        """Page by page, as far as they are asked for."""
        with tracking_errors(self._uri):
            ids = [one.experiment_id for one in self._client.search_experiments()]
        token: str | None = ""
        while token is not None:
            with tracking_errors(self._uri):
                found = self._client.search_runs(
                    ids,
                    wanted,
                    max_results=self._page,
                    order_by=["attributes.start_time DESC"],
                    page_token=token or None,
                )
            yield from map(_read, found)
            token = found.token or None

    def _text(self, run_id: str, name: str) -> str | None:
        """Of a file at the top of a run; None if it is not there."""
        with tempfile.TemporaryDirectory() as scratch, tracking_errors(self._uri):
            if name not in [one.path for one in self._client.list_artifacts(run_id)]:
                return None
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
        variant=_variant(run.data.tags.get(VARIANT)),
    )


def _variant(told: str | None) -> dict[str, str] | None:
    """As it may be typed; what cannot be read is not known."""
    try:
        found = json.loads(told or "")
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    return {name: one if isinstance(one, str) else _typed(one) for name, one in found.items()}


def _typed(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _learned(run: Any) -> Iterator[tuple[str, int]]:
    for one in run.inputs.dataset_inputs if run.inputs else ():
        if any(tag.value == "training" for tag in one.tags):
            rows = int(json.loads(one.dataset.profile or "{}").get("num_rows", 0))
            yield one.dataset.name.partition(" ")[0], rows  # its id stands behind the name
