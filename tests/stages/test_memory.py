"""The peak of a run holds the processes it started."""

from __future__ import annotations

import subprocess
import sys

from susystream.stages.memory import memory_in_use, peak_rss_bytes

HUNGRY = "held = bytearray(300 << 20); print(len(held), flush=True); input()"


def test_what_a_child_holds_is_part_of_the_peak() -> None:
    before = memory_in_use()
    command = [sys.executable, "-c", HUNGRY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        child.stdout.readline()
        during = memory_in_use()
        child.stdin.write(b"\n")
        child.stdin.close()
    assert during > before + (300 << 20)
    assert peak_rss_bytes() >= during
