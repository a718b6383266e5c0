"""A lock between the processes of one machine.

In: a path. Out: a lock held while a `with` block runs; the kernel frees it when a process ends,
so a killed command never leaves one behind. The file itself stays: removing it would let two in.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_POLL_SECONDS = 0.05


@contextmanager
def file_lock(
    path: Path,
    *,
    deadline_seconds: float,
    late: Callable[[str], Exception],
    waiting: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Holds the lock of `path`.

    Args:
        path: Made when there is none.
        deadline_seconds: How long to wait for another process.
        late: Makes the error of its room from what is known; raised at the deadline.
        waiting: Called now and then while another process holds the lock.
    """
    with path.open("a") as handle:
        ends = time.monotonic() + deadline_seconds
        while not _taken(handle):
            if time.monotonic() > ends:
                raise late(f"another process has held {path} for {deadline_seconds:.0f} s")
            waiting()
            time.sleep(_POLL_SECONDS)
        yield


def _taken(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
