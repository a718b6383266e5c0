"""Which way a figure is better.

In: its name. Out: whether less is better.
"""

from __future__ import annotations

_LESS = ("loss", "brier", "ece", "stderr", "seconds", "forgetting", "bytes", "ms")


def less_is_better(name: str) -> bool:
    """By the last word of its name: of losses, errors and times; more is better of all others.

    Example:
        >>> less_is_better("test/holdout/log_loss"), less_is_better("train/rows_per_second")
        (True, False)
    """
    return name.rpartition("/")[2].split("_")[-1] in _LESS
