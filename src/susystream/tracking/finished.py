"""What ran before: runs found by the configuration they had, and sweeps by their command.

In: a hash of settings. Out: the run that had it, so that nothing is computed twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from susystream.process_identity import is_going_on
from susystream.tracking.address import tracking_errors
from susystream.tracking.label import (
    AS_TYPED,
    CONFIG_HASH,
    PARENT,
    PROCESS,
    PRUNED,
    REUSED_FROM,
    SEARCH,
    SWEEP,
    TRIAL,
    TRIAL_STATE,
    Label,
)
from susystream.tracking.lookup import is_deleted, original_of, run_or_none, runs_below
from susystream.tracking.tracked_run import safe_name

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_FINISHED, _ENDED_EARLY = "FINISHED", ("FAILED", "KILLED")
_EXACT = "exact"  # the group of params that holds what names came to
_MOST = 100  # runs of one configuration that are looked at


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run that ended well.

    Attributes:
        run_id: Its id.
        params: Its params.
        metrics: The last value of each of its figures.
        tags: Its tags.
    """

    run_id: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]

    @property
    def model_ids(self) -> tuple[str, ...]:
        """The models it stored or tested."""
        return tuple(filter(None, self.tags.get("model_id", "").split(",")))


@dataclass(frozen=True, slots=True)
class FormerSweep:
    """A sweep of the same command.

    Attributes:
        finished: How many of its trials finished.
        exact: What names in its settings came to.
    """

    finished: int
    exact: Mapping[str, str]

    def id_of(self, name: str) -> str | None:
        """What a name came to; None if it was not looked up."""
        return self.exact.get(safe_name(name))


class FormerRuns:
    """What a tracking server knows of earlier commands. Every method raises TrackingError.

    Args:
        client: Of the server.
        uri: Its address.
    """

    def __init__(self, client: MlflowClient, uri: str) -> None:
        self._client, self._uri = client, uri

    def finished(
        self, config_hash: str, *, beside: str, pruned_by: str | None = None
    ) -> FinishedRun | None:
        """The newest finished run with that configuration; None if there is none.

        A copy is none: it leads to its original, if that is still there.

        Args:
            config_hash: Of the configuration.
            beside: A run of the experiment to look in.
            pruned_by: A search; where no run came to its end, one that it pruned will do.
        """
        wanted = f"attributes.status = '{_FINISHED}' and tags.{CONFIG_HASH} = '{config_hash}'"
        with tracking_errors(self._uri):
            found = _originals(self._client, self._search(wanted, beside))
        runs = [
            FinishedRun(one.info.run_id, one.data.params, one.data.metrics, one.data.tags)
            for one in found
        ]
        whole = [one for one in runs if one.tags.get(TRIAL_STATE) != PRUNED]
        pruned = [one for one in runs if pruned_by and one.tags.get(SEARCH) == pruned_by]
        return next(iter([*whole, *pruned]), None)

    def seconds_of(self, run_ids: Iterable[str]) -> dict[str, float]:
        """How long runs took; nothing of one that is gone, or has no end."""
        with tracking_errors(self._uri):
            found = [run_or_none(self._client, run_id) for run_id in dict.fromkeys(run_ids)]
        ended = [one.info for one in found if one is not None and one.info.end_time]
        return {one.run_id: (one.end_time - one.start_time) / 1000 for one in ended}

    def going_on(self, config_hash: str, *, beside: str) -> str | None:
        """The id of a run with that configuration whose process, of this machine, is at it now.

        Args:
            config_hash: Of the configuration.
            beside: A run of the experiment to look in.
        """
        wanted = f"attributes.status = 'RUNNING' and tags.{CONFIG_HASH} = '{config_hash}'"
        with tracking_errors(self._uri):
            found = self._search(wanted, beside)
        lively = (one for one in found if is_going_on(one.data.tags.get(PROCESS, "")))
        return next((one.info.run_id for one in lively if REUSED_FROM not in one.data.tags), None)

    def adopt(self, run: FinishedRun, label: Label) -> bool:
        """Moves a run from a sweep that was broken off to the one that goes on with it.

        Args:
            run: Of a trial.
            label: Of the trial it stands for now, whose name and number it gets.

        Returns:
            Whether it was moved: a run of another sweep, of one that finished or still runs, or
            of none, stays where it is.
        """
        former, by = run.tags.get(PARENT), label.parent_run_id
        with tracking_errors(self._uri):
            sweep = _broken_off(self._client, former, by) if former and by else None
            if not (former and by and sweep):
                return False
            self._client.update_run(run.run_id, name=label.name)
            moved = {TRIAL: label.tags.get(TRIAL, ""), "former_parent": former, PARENT: by}
            for name, value in moved.items():
                self._client.set_tag(run.run_id, name, value)
            if not is_deleted(sweep):  # or MLflow would refuse
                self._client.set_tag(former, "continued_by", by)
        return True

    def sweep(self, as_typed: str, *, before: str) -> FormerSweep | None:
        """The newest earlier sweep of a command of which a trial finished; None if there is none.

        Args:
            as_typed: The hash of its settings.
            before: The run of the sweep that goes on with it.
        """
        with tracking_errors(self._uri):
            ours = self._client.get_run(before).data.tags.get(SWEEP)
            for one in self._search(f"tags.{AS_TYPED} = '{as_typed}'", before):
                if one.info.run_id == before or one.data.tags.get(SWEEP) != ours:
                    continue
                below = runs_below(self._client, one)
                if count := sum(trial.info.status == _FINISHED for trial in below):
                    return FormerSweep(count, dict(_exact(one)))
        return None

    def of_trial(self, parent_run_id: str, number: int) -> str | None:
        """The id of the newest run of a trial in its sweep; None if it never opened one."""
        wanted = f"tags.`{PARENT}` = '{parent_run_id}' and tags.{TRIAL} = '{number}'"
        with tracking_errors(self._uri):
            return next((one.info.run_id for one in self._search(wanted, parent_run_id)), None)

    def _search(self, wanted: str, beside: str) -> Sequence[Run]:
        """In the experiment of a run, the newest first."""
        place = self._client.get_run(beside).info.experiment_id
        newest = ["attributes.start_time DESC"]
        return list(self._client.search_runs([place], wanted, max_results=_MOST, order_by=newest))


def _originals(client: MlflowClient, found: Sequence[Run]) -> list[Run]:
    """Each once."""
    originals = (original_of(client, one) for one in found)
    known = {one.info.run_id: one for one in originals if one is not None}
    return [one for one in known.values() if one.info.status == _FINISHED]


def _broken_off(client: MlflowClient, former: str, by: str) -> Run | None:
    """An earlier sweep, if it was broken off and `by` is the same one, given again."""
    parent = run_or_none(client, former) if former != by else None  # or removed for good
    if parent is None or parent.info.status not in _ENDED_EARLY:
        return None
    space = parent.data.tags.get(SWEEP)
    same = space is not None and space == client.get_run(by).data.tags.get(SWEEP)
    return parent if same else None


def _exact(sweep: Run) -> Iterator[tuple[str, str]]:
    for name, value in sweep.data.params.items():
        group, _, rest = name.partition(".")
        if group == _EXACT and rest:
            yield rest, value
