"""Waiting, within a deadline, for what a test has set going; for all rooms of tests."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable


def until(
    true: Callable[[], object],
    *,
    seconds: float = 90.0,
    process: subprocess.Popen[str] | None = None,
) -> None:
    """Waits for something, no longer than a process lives that is to bring it about.

    Raises:
        AssertionError: It did not come; if the process ended, these are its last words.
    """
    ends = time.monotonic() + seconds
    while True:
        ended = process is not None and process.poll() is not None  # before it is looked whether
        if true():
            return
        assert process is None or not ended, process.communicate(timeout=20)
        assert time.monotonic() < ends, f"not within {seconds:g} s"
        time.sleep(0.05)
