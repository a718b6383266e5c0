"""Hydra's joblib launcher, under which a process that is killed ends no other trial.

In: trials, as overrides. Out: what became of each. Joblib gives up all processes as soon as one is
gone, and does not say which: whatever began and did not finish runs again, one trial at a time,
each in a process of its own; one whose process is killed there too has failed, and the others go on
as before. A process that is asked to end, by SIGTERM or SIGHUP, ends its trial alone, which runs
again like those.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher
from omegaconf import DictConfig

from susystream.stages.outcome import Outcome, outcomes
from susystream.sweeping.known import jobs_of, known_sweep
from susystream.sweeping.trials import BrokenOff, failed_before, killed_trial, outliving

_NOT_HERE = 2  # jobs at once: joblib runs one in this process


class PatientLauncher(Launcher):
    """Goes on where a process was killed; the trials themselves are run by joblib's launcher.

    Args:
        joblib: As of that launcher.
    """

    def __init__(self, **joblib: Any) -> None:
        self._joblib = joblib
        self._setup: dict[str, Any] = {}
        self._config: Any = None

    def setup(self, *, hydra_context: Any, task_function: Any, config: DictConfig) -> None:
        """Called by Hydra before `launch`."""
        self._config = config
        task = outliving(task_function)
        self._setup = {"hydra_context": hydra_context, "task_function": task}

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Runs trials.

        Args:
            job_overrides: Of each trial.
            initial_job_idx: The first one's number.
        """
        jobs = dict(enumerate(job_overrides, initial_job_idx))
        done: dict[int, JobReturn] = {}
        while left := _first_in_a_row(one for one in jobs if one not in done):
            try:
                returned = self._launched([jobs[one] for one in left], left[0])
                found = dict(zip(left, returned, strict=True))
                again = [one for one in left if _is_broken_off(found[one])]
            except BrokenProcessPool:
                found = self._finished(left)
                again = self._begun([one for one in left if one not in found])
            done |= found | self._each_alone({one: jobs[one] for one in again})
        return [done[one] for one in jobs]

    def _launched(
        self, overrides: Sequence[Sequence[str]], first: int, **changed: Any
    ) -> Sequence[JobReturn]:
        launcher = JoblibLauncher(**{**self._joblib, **changed})
        launcher.setup(config=self._config, **self._setup)
        found: Sequence[JobReturn] = launcher.launch(overrides, initial_job_idx=first)
        return found

    def _finished(self, numbers: Sequence[int]) -> dict[int, JobReturn]:
        """Those that wrote what became of them, before joblib gave up the rest."""
        ended = [one for one in self._outcomes(numbers) if one.state != "interrupted"]
        failed_before(ended, self._config)
        return {one.number: _returned(one.objective) for one in ended}

    def _begun(self, numbers: Sequence[int]) -> list[int]:
        """Of those that did not finish; one was asked to end before another's process was lost."""
        begun = [one.number for one in self._outcomes(numbers)]
        # none: a process was lost before its trial could say anything
        return begun or [*numbers[: jobs_of(self._config.hydra)]]

    def _outcomes(self, numbers: Sequence[int]) -> list[Outcome]:
        folder, sweep = Path(self._config.hydra.sweep.dir), known_sweep().run_id
        found = outcomes(folder, parent_run_id=sweep, begun=True)
        return [one for one in found if one.number in numbers]

    def _each_alone(self, jobs: Mapping[int, Sequence[str]]) -> dict[int, JobReturn]:
        if not jobs:  # the last had written what became of it
            return {}
        many = len(jobs) > 1
        print(  # noqa: T201
            f"susystream: the process of a trial was killed or ended (out of memory?): trial"
            f"{'s' if many else ''} {', '.join(map(str, jobs))} {'run' if many else 'runs'} again, "
            "one at a time; fewer at once: hydra.launcher.n_jobs=1",
            file=sys.stderr,
        )
        _end_processes()
        return {number: self._alone(number, overrides) for number, overrides in jobs.items()}

    def _alone(self, number: int, overrides: Sequence[str]) -> JobReturn:
        started = time.monotonic()
        try:
            (found,) = self._launched([overrides], number, n_jobs=_NOT_HERE)
            if not _is_broken_off(found):
                return found
        except BrokenProcessPool:
            if found_after := self._finished([number]):
                return found_after[number]
        finally:
            _end_processes()
        seconds = time.monotonic() - started
        return _returned(killed_trial(self._config, overrides, number, seconds=seconds))


def _is_broken_off(found: JobReturn) -> bool:
    return found.status == JobStatus.COMPLETED and isinstance(found.return_value, BrokenOff)


def _first_in_a_row(numbers: Iterable[int]) -> list[int]:
    """Joblib's launcher counts on from the first."""
    found: list[int] = []
    for one in numbers:
        if found and one != found[-1] + 1:
            break
        found.append(one)
    return found


def _returned(value: float | None) -> JobReturn:
    """What Hydra has of a trial whose own process can say nothing more."""
    found = JobReturn()
    found.return_value, found.status = value, JobStatus.COMPLETED
    return found


def _end_processes() -> None:
    """What the next trial runs in holds nothing of this one."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True, kill_workers=True)
