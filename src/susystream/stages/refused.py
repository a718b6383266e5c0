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


def record(
    trial: Trial,
    error: Exception,
    *,
    config: Mapping[str, Any],
    tracking: TrackingSettings,
    home: Path,
    killed: bool,
) -> str | None:
    """The id of a failed run, or of that which a killed process opened last.

    Args:
        trial: Which it is.
        error: What is wrong with its settings, or that it was killed.
        config: Of the trial, as plain data without secrets; nobody checked it.
        tracking: Where its sweep is tracked.
        home: Where what does not arrive is kept.
        killed: Whether its process may have opened a run.

    Returns:
        The id; None where the tracking server is away.
    """
    tracker, stage = _tracker(trial, tracking, home), str(config["stage"]["name"])
    with suppress(type(error), TrackingError), tracker:
        if killed and (known := tracker.former.of_trial(trial.parent_run_id, trial.number)):
            return known
        with tracker.run(stage, name=stage, params=trial.parameters, tags={}, config=config):
            raise error
    return tracker.run_id


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
