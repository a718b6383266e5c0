"""Whether a command that is given again takes what finished before.

In: settings. Out: yes or no: the same answer for what is looked up, and for what a person is told.
"""

from __future__ import annotations

from typing import Any

_REPEATABLE = ("prepare", "publish", "train", "evaluate", "pipeline")
_FINDS_BY_ITSELF = "publish"  # what a topic holds


def is_repeatable(settings: Any) -> bool:
    """Whether settings say all: following and live scoring depend on more.

    Args:
        settings: Checked, or as they are composed.
    """
    return settings.stage.name in _REPEATABLE and not settings.train.follow


def is_resumed(settings: Any) -> bool:
    """Whether trials that finished are not run again; argument as of `is_repeatable`."""
    again = settings.stage.name == _FINDS_BY_ITSELF or not is_repeatable(settings)
    return bool(settings.sweep.resume) and not again


def once_more(settings: Any, *, told: str) -> str:
    """How to go on with a sweep of which some trial failed.

    Args:
        settings: As of `is_repeatable`.
        told: What becomes of its trials then, where those that finished are not run again.
    """
    again = "correct what is wrong and give the command again"
    return f"{again}: {told}" if is_resumed(settings) else again
