"""Which process this is, so that another one can tell later whether it still lives.

In: nothing, or what another process wrote down. Out: a text, or a verdict.
"""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

import psutil

# the system clock may be set in between; no number is used again so soon
_TOLERANCE_SECONDS = 1.0
_SHORT_ID = 12  # digits of a container's id that its host name is
_FIRST = 1  # the number of a container's first process, in its own place


def own_identity() -> str:
    """Machine, process and start: `place/pid/seconds since 1970`."""
    return f"{_place()}/{os.getpid()}/{created(os.getpid()):.2f}"


def created(pid: int) -> float:
    """When a process started, in seconds since 1970."""
    return float(psutil.Process(pid).create_time())


def has_ended(identity: str) -> bool:
    """Whether a process of this machine has ended; of another one that is not known: False."""
    return _lives_here(identity) is False


def is_going_on(identity: str) -> bool:
    """Whether a process of this machine still lives; of another one that is not known: False."""
    return _lives_here(identity) is True


def _lives_here(identity: str) -> bool | None:
    """None where that cannot be known."""
    try:
        place, pid, started = identity.rsplit("/", 2)
        if place != _place():
            return False if _is_earlier_life(place, float(started)) else None
        return lives(int(pid), float(started))
    except ValueError:
        return None


def lives(pid: int, started: float) -> bool:
    """Whether the process that had this number when it started then is still there."""
    try:
        process = psutil.Process(pid)
        same = abs(created(pid) - started) < _TOLERANCE_SECONDS
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # it is there, and another user's
        return True


def _is_earlier_life(place: str, started: float) -> bool:
    """Whether it is this container before it was started again, when all of its processes ended.

    A container's host name, unless somebody chose another, begins its id, which no other one has.
    What started after the container's first process is of this life: in a place within it.
    """
    node = place.partition(" ")[0]
    here = len(node) >= _SHORT_ID and _container_id().startswith(node)
    return here and started < created(_FIRST)


def _container_id() -> str:
    """Empty outside of containers."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(r"containers/([0-9a-f]{64})/", mounts)
    return found[1] if found else ""


def _place() -> str:
    """Where process numbers are one's own: two containers of one machine share none.

    A machine that was started again has another one: whatever ran before has ended, but that cannot
    be told from another machine, so it is not.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{platform.node()} {boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # no Linux: the name of the machine must do
        return platform.node()
