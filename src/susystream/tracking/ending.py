"""How a run ended.

In: what broke off the block of a run. Out: the status that MLflow shows, and a line that says why.
"""

from __future__ import annotations

from susystream.errors import TrialPruned, line_of
from susystream.interruption import told

_LONGEST_ERROR = 1000


def status_of(error: BaseException) -> str:
    """FAILED by an error, KILLED by a signal, FINISHED where nothing went wrong."""
    if isinstance(error, TrialPruned):
        return "FINISHED"
    if isinstance(error, Exception):
        return "FAILED"
    if isinstance(error, SystemExit) and not error.code:
        return "FINISHED"
    return "KILLED"  # Ctrl-C, or the exit from a SIGTERM handler


def one_line(error: BaseException) -> str:
    """What to show of it on the run."""
    text = line_of(error) if isinstance(error, Exception) else told(error)
    return text[:_LONGEST_ERROR]
