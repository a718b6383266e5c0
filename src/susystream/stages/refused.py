"""A trial whose settings are wrong, as it was found out only when its turn came.

In: the trial, and what is wrong. Out: a failed run in its sweep, as each trial that began has one.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from susystream.errors import TrackingError
from susystream.settings.tracking import TrackingSettings
from susystream.stages.trial import Trial
from susystream.tracking.label import TRIAL, Label
from susystream.tracking.tracker import Tracker


def record_refusal(
    trial: Trial, error: Exception, *, stage: str, tracking: TrackingSettings, home: Path
) -> str | None:
    """The id of a failed run; None where the tracking server is away.

    Args:
        trial: Which it is.
        error: What is wrong with its settings.
        stage: That would have run.
        tracking: Where its sweep is tracked.
        home: Where what does not arrive is kept.
    """
    tracker = Tracker(
        tracking.uri,
        tracking.experiment,
        system_metrics=False,
        timeout_seconds=tracking.timeout_seconds,
        patience_seconds=tracking.patience_seconds,
        folder=home / "tracking",
        label=Label(trial.parent_run_id, trial.name, {TRIAL: str(trial.number)}),
    )
    with (
        suppress(type(error), TrackingError),
        tracker,
        tracker.run(stage, name=stage, params=trial.parameters, tags={}),
    ):
        raise error
    return tracker.run_id
