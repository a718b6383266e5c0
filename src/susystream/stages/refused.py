"""A trial that was killed, or whose settings were found wrong only when its turn came.

In: the trial, and what is wrong. Out: a run in its sweep, as each trial that began has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from susystream.errors import TrackingError
from susystream.settings.tracking import TrackingSettings
from susystream.stages.trial import Trial
from susystream.tracking.label import TRIAL, Label
from susystream.tracking.tracker import Tracker
from susystream.tracking.trial_run import run_of_trial


def record_refusal(
    trial: Trial,
    error: Exception,
    *,
    config: Mapping[str, Any],
    tracking: TrackingSettings,
    home: Path,
) -> str | None:
    """The id of a failed run; None where the tracking server is away.

    Args:
        trial: Which it is.
        error: What is wrong with its settings.
        config: Of the trial, as plain data without secrets; nobody checked it.
        tracking: Where its sweep is tracked.
        home: Where what does not arrive is kept.
    """
    tracker, stage = _tracker(trial, tracking, home), str(config["stage"]["name"])
    with (
        suppress(type(error), TrackingError),
        tracker,
        tracker.run(stage, name=stage, params=trial.parameters, tags={}, config=config),
    ):
        raise error
    return tracker.run_id


def record_killed(
    trial: Trial,
    error: Exception,
    *,
    config: Mapping[str, Any],
    tracking: TrackingSettings,
    home: Path,
) -> str | None:
    """The id of the run that a killed process opened last, or else of a failed one.

    Arguments as of `record_refusal`; None where the tracking server is away.
    """
    with suppress(TrackingError):
        known = run_of_trial(
            trial.parent_run_id,
            trial.number,
            uri=_tracker(trial, tracking, home).uri,
            timeout_seconds=tracking.timeout_seconds,
            patience_seconds=tracking.patience_seconds,
        )
        return known or record_refusal(trial, error, config=config, tracking=tracking, home=home)
    return None


def _tracker(trial: Trial, tracking: TrackingSettings, home: Path) -> Tracker:
    return Tracker(
        tracking.uri,
        tracking.experiment,
        system_metrics=False,
        timeout_seconds=tracking.timeout_seconds,
        patience_seconds=tracking.patience_seconds,
        folder=home / "tracking",
        label=Label(trial.parent_run_id, trial.name, {TRIAL: str(trial.number)}),
    )
