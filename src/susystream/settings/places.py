"""Settings that say where things lie and how long they are waited for.

In: dotted names. Out: which of them change no figure, whoever asks: what a run is compared by, the
hash of what it computes, and its repetition elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

PLACES = (
    *("home", "tracking", "registry"),
    *("stream.bootstrap_servers", "stream.security", "stream.timeout_seconds"),
    *("stream.reader.stall_seconds", "evaluate.engine.master", "score.report_seconds"),
)


def is_within(name: str, groups: Sequence[str]) -> bool:
    """Whether a setting is one of these, or in one of them.

    Example:
        >>> is_within("stream.security", ["stream"]), is_within("streams", ["stream"])
        (True, False)
    """
    return any(name == one or name.startswith(f"{one}.") for one in groups)
