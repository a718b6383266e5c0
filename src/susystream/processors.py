"""The processors of this machine that this process may use.

In: nothing. Out: their number.
"""

from __future__ import annotations

import os


def processors() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
