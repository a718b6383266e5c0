"""A process that was started for trials ends when the sweep that started it is gone.

In: the sweep's process. Out: what ran is finished first, so that nothing computed is lost.
Joblib's processes wait for more work, and for room to tell what became of the last; where the sweep
was killed outright nobody brings the one or takes the other, and each would hold a network's memory
for ever.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

_SECONDS = 0.5  # between two looks
_TRIAL = threading.Lock()  # held while one runs


@contextmanager
def in_process_of(sweep: int) -> Iterator[None]:
    """A trial runs in the block, in a process that `sweep` started.

    Args:
        sweep: Its process number.
    """
    _watch(sweep)
    with _TRIAL:
        yield


@cache
def _watch(sweep: int) -> None:
    """Once in a process."""
    threading.Thread(target=_end_after, args=(sweep,), name="orphaned", daemon=True).start()


def _end_after(sweep: int) -> None:
    while os.getppid() == sweep:
        time.sleep(_SECONDS)
    with _TRIAL:
        # no unwinding: that of joblib waits for the sweep; nor is anything flushed, which each line
        # is when it is said: it may wait for ever where nobody reads any more
        os._exit(1)
