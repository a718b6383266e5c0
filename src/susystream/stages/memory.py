"""The memory this process and those it started have used.

In: the system's counts. Out: bytes, now and at most.
"""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

import psutil

_largest = [0]  # seen so far; a process has one


def memory_in_use() -> int:
    """Bytes resident in this process and those it started; the largest sum is remembered."""
    own = psutil.Process()
    total = 0
    for process in (own, *own.children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    _largest[0] = max(_largest[0], total)
    return total


def peak_rss_bytes() -> int:
    """The largest resident memory so far: of this process, and of all that was looked at."""
    return max(_own_peak(), _largest[0])


def _own_peak() -> int:
    try:
        # getrusage would tell the parent's memory where that was larger: exec passes it on
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        found = None
    if found is not None:
        return int(found[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB
