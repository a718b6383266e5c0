"""How a run ended.

In: what broke off the block of a run. Out: the status that MLflow shows, and tags that say why.
"""

from __future__ import annotations

from susystream.errors import TrialPruned, line_of
from susystream.interruption import told
from susystream.tracking.label import PRUNED, PRUNED_AT, TRIAL_STATE

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


def ending_tags(error: BaseException) -> dict[str, str]:
    """What of it is shown on the run; `mlflow run` makes FAILED of KILLED, but the tag stays."""
    if isinstance(error, TrialPruned):
        return {TRIAL_STATE: PRUNED, PRUNED_AT: repr(error.value)}
    if status_of(error) == "FINISHED":
        return {}
    text = line_of(error) if isinstance(error, Exception) else told(error)
    return {"error": text[:_LONGEST_ERROR]}
