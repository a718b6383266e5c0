"""Advisory locks between the processes of one machine.

In: a path. Out: a lock held while a `with` block runs; the kernel frees it when a process dies,
so a killed command never leaves one behind.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from susystream.errors import ServiceError

_POLL_SECONDS = 0.05


@contextmanager
def locked(
    path: Path, *, shared: bool = False, deadline_seconds: float, purpose: str
) -> Iterator[int]:
    """Holds the lock of `path`, waiting for it at most `deadline_seconds`; yields its handle.

    A child process that inherits the handle shares the lock, which then lasts until both ended.

    Raises:
        ServiceError: Another process held it for the whole time.
    """
    handle = _opened(path)
    try:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        _acquire(handle, kind, deadline_seconds, path, purpose)
        yield handle
    finally:
        os.close(handle)  # frees the lock


def _opened(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _acquire(handle: int, kind: int, deadline_seconds: float, path: Path, purpose: str) -> None:
    ends = time.monotonic() + deadline_seconds
    while not _try(handle, kind):
        if time.monotonic() > ends:
            raise ServiceError(
                f"expected to {purpose} within {deadline_seconds:.0f} s, but another process holds "
                f"{path}; wait for it or see `susystream services status`"
            )
        time.sleep(_POLL_SECONDS)


def _try(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def has_users(path: Path) -> bool:
    """Whether some process holds the shared lock of `path`.

    Another caller's probe may look like a user for a moment, so a yes is asked three times.
    """
    for _ in range(3):
        handle = _opened(path)
        try:
            if _try(handle, fcntl.LOCK_EX) or not _try(handle, fcntl.LOCK_SH):
                return False  # nobody, or a keeper that shuts down and lets nobody in
        finally:
            os.close(handle)
        time.sleep(_POLL_SECONDS / 5)
    return True


def only_user(handle: int) -> bool:
    """Whether nobody but the holder of this shared lock holds it; afterwards it is shared again.

    A no may be another caller's probe or a command that itself waits, so ask again.
    """
    alone = _try(handle, fcntl.LOCK_EX)
    # the kernel drops the old lock before it tries for the new one, even where that fails
    fcntl.flock(handle, fcntl.LOCK_SH)
    return alone


class UserWatch:
    """Tells the keeper whether any process still holds the shared lock of `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = -1

    def __enter__(self) -> UserWatch:
        self._handle = _opened(self._path)
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._handle)

    def nobody_left(self) -> bool:
        """True once no user is left; from then on new users wait until this process ends."""
        return _try(self._handle, fcntl.LOCK_EX)

    def release(self) -> None:
        """Lets users in again."""
        fcntl.flock(self._handle, fcntl.LOCK_UN)
