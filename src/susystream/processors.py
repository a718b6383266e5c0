"""The processors of this machine that this process may use.

In: nothing. Out: their number, and their kind.
"""

from __future__ import annotations

import math
import os
import platform
import re
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")


def processors() -> int:
    """How many this process may use: by its affinity, and by a container's quota (cgroup v2)."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, min(len(os.sched_getaffinity(0)), _quota(Path("/proc/self/cgroup"), _GROUPS)))
    return os.cpu_count() or 1


def processor_name() -> str:
    """The kind of processor, as far as the system tells."""
    try:
        told = Path("/proc/cpuinfo").read_text()
        found = re.search(r"^model name\s*:\s*(.+)$", told, re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def _quota(own: Path, groups: Path) -> int:
    """The least quota of this process's group and those it lies in, rounded up."""
    try:
        (path,) = (line[3:] for line in own.read_text().splitlines() if line.startswith("0::"))
    except (OSError, ValueError):
        path = "/"
    group = groups / path.lstrip("/")
    inside = [one for one in (group, *group.parents) if one.is_relative_to(groups)]
    return min((_processors_of(one / "cpu.max") for one in inside), default=2**31)


def _processors_of(limit: Path) -> int:
    try:
        quota, period = limit.read_text().split()
        return 2**31 if quota == "max" else math.ceil(int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return 2**31  # the outermost group has no limit
