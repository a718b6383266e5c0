"""What Hydra's launchers call for each trial, in this or in other processes.

In: the configuration of a trial. Out: what it is judged by; a failure is an outcome like others.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from susystream.as_overrides import pairs
from susystream.differences import differences
from susystream.disclosure import public_settings, public_text
from susystream.errors import TrialsFailed, line_of
from susystream.interruption import end_on_signals, ended_alone
from susystream.stages.outcome import Outcome
from susystream.stages.resuming import once_more
from susystream.sweeping.given import typed_words
from susystream.sweeping.known import Ended, known_sweep
from susystream.sweeping.orphaned import in_process_of
from susystream.sweeping.shown import masked
from susystream.sweeping.space import trial_of, without_hydra
from susystream.variant import variant_of


def run_trial_of(config: DictConfig, hydra: Any) -> float | None:
    """Runs a trial.

    Args:
        config: Of the trial.
        hydra: Hydra's own part of it.

    Returns:
        What the trial is judged by; NaN of one that failed.

    Raises:
        Ended: It failed, and `sweep.stop_on_failure` is set.
    """
    from susystream.composition import settings_of
    from susystream.stages.trial import run_trial

    trial, output = _trial(hydra), Path(hydra.runtime.output_dir)
    _end_by_signals()
    try:
        settings, differs = settings_of(config), differences(config)
        variant = variant_of(config, hydra)
    except Exception as error:
        run_id = _recorded(config, trial, error, killed=False)
        trial.outcome("failed", 0.0, error=line_of(error), run_id=run_id).write(output)
        return _failed(trial.number, error, config)
    try:
        return run_trial(
            settings,
            output=output,
            trial=trial,
            differs=differs,
            variant=variant,
            exact=known_sweep().exact,
        ).objective
    except Exception as error:
        return _failed(trial.number, error, settings)


def killed_trial(
    config: DictConfig, overrides: Sequence[str], number: int, *, seconds: float
) -> float:
    """Writes what became of a trial whose process was killed, and tells it.

    Args:
        config: Of the sweep.
        overrides: Of the trial.
        number: Of the trial.
        seconds: Wall time.

    Returns:
        What it is judged by: NaN.

    Raises:
        Ended: `sweep.stop_on_failure` is set.
    """
    trial_config, folder = trial_of(config, overrides, number)
    error = TrialsFailed(
        f"the process of trial {number} was killed, and again when it ran alone (out of memory?); "
        "lower train.batch_size or evaluate.batch_rows"
    )
    trial = _trial(trial_config.hydra)
    run_id = _recorded(without_hydra(trial_config), trial, error, killed=True)
    trial.outcome("failed", seconds, error=line_of(error), run_id=run_id).write(folder)
    return _failed(number, error, trial_config)


def failed_before(ended: Iterable[Outcome], settings: Any) -> None:
    """As if it were told now, where a process told of a failure and was lost then.

    Args:
        ended: What became of trials.
        settings: Of the sweep, checked or as they are composed.

    Raises:
        Ended: A trial failed, and `sweep.stop_on_failure` is set.
    """
    for one in ended:
        if settings.sweep.stop_on_failure and one.state == "failed":
            raise _ended(one.number, one.error or "", settings)


@dataclass(frozen=True, slots=True)
class BrokenOff:
    """What a trial returns that was ended with its process, the sweep being ended or not."""


def outliving(task: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A task that ends no other when the process is asked to end that a launcher started for it.

    What is asked of the process that this is called in, ends that.
    """
    return partial(_outliving, task, os.getpid())


def _outliving(task: Callable[[Any], Any], sweep: int, config: Any) -> Any:
    if os.getpid() == sweep:
        return task(config)
    with in_process_of(sweep):
        # joblib would raise a SystemExit where the sweep runs; of a process that ends, it tells
        return ended_alone(partial(task, config), instead=BrokenOff())


def _recorded(config: DictConfig, trial: Any, error: Exception, *, killed: bool) -> str | None:
    """The run of a trial that was killed, or that a search asked for with wrong settings."""
    from susystream.settings.tracking import TrackingSettings
    from susystream.stages.refused import record

    known = OmegaConf.to_container(config.tracking, resolve=True)
    return record(
        trial,
        error,
        config=_public(config),
        tracking=TrackingSettings.model_validate(known),
        home=Path(config.home),
        killed=killed,
    )


def _public(config: DictConfig) -> dict[str, Any]:
    """All of it, so that the run can be repeated with what is wrong set right."""
    try:
        plain = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException:  # it may be that which is wrong
        plain = OmegaConf.to_container(config, resolve=False)
    return public_settings({str(key): one for key, one in dict(plain).items()})  # type: ignore[arg-type]


def _trial(hydra: Any) -> Any:
    from susystream.stages.naming import typed_plainly
    from susystream.stages.trial import Trial

    known = known_sweep()
    given = pairs(typed_words(hydra))
    typed = {name: public_text(typed_plainly(masked(name, value))) for name, value in given.items()}
    return Trial(
        int(hydra.job.num),
        {name: typed[name] for name in known.swept if name in typed},
        known.run_id,
        parallel=known.jobs > 1,
        study=known.study,
    )


def _failed(number: int, error: Exception, settings: Any) -> float:
    """What a failed trial is judged by; `settings`: checked, or as they are composed."""
    if settings.sweep.stop_on_failure:
        raise _ended(number, line_of(error), settings)
    print(f"susystream: trial {number} failed: {line_of(error)}", file=sys.stderr)  # noqa: T201
    return math.nan


def _ended(number: int, line: str, settings: Any) -> Ended:
    return Ended(
        TrialsFailed(
            f"expected every trial to finish with sweep.stop_on_failure=true, received trial "
            f"{number} that failed ({line}); "
            f"{once_more(settings, told='what finished is not repeated')}"
        )
    )


def _end_by_signals() -> None:
    """A process that a launcher started unwinds too, so that its run is marked."""
    if threading.current_thread() is threading.main_thread() and (
        signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    ):
        end_on_signals()
