"""How a sweep of several trials goes, as settings.

In: the group `sweep`. Out: one class.
"""

from __future__ import annotations

from typing import Literal

from susystream.settings.base import Group, OptionalText

Direction = Literal["maximize", "minimize"]


class SweepSettings(Group):
    """What a sweep (`-m`) optimises, and what becomes of trials that ended before.

    Attributes:
        metric: The figure a trial is judged by; none: the stage's own, `validation/auc` of a
            training.
        direction: Which way is better; none: less of losses, seconds and errors, more of others.
        resume: Whether a trial whose configuration finished before is taken from the tracking
            server instead of being run again.
        stop_on_failure: Whether the first trial that fails ends the sweep.
    """

    metric: OptionalText = None
    direction: Direction | None = None
    resume: bool = True
    stop_on_failure: bool = False
