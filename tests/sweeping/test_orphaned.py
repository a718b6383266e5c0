"""A process of a sweep that is gone ends, whoever reads what it says."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys

# the sweep: it goes as soon as the process of its trials, which has no room for a word, is watched
SWEEP = """
import os, sys, time
from susystream.sweeping.orphaned import in_process_of

sweep, (ready, tell) = os.getpid(), os.pipe()
if os.fork() == 0:
    os.set_blocking(1, False)
    try:
        while True:
            os.write(1, bytes(4096))
    except BlockingIOError:
        os.set_blocking(1, True)
    sys.stdout = os.fdopen(1, "w")  # which keeps it until it is flushed
    sys.stdout.write("a word")
    with in_process_of(sweep):
        os.write(tell, b".")
    time.sleep(60)
os.read(ready, 1)
"""


def test_a_process_whose_words_nobody_takes_ends_with_its_sweep() -> None:
    living, end = os.pipe()  # read to its end when the processes that hold it are gone
    with subprocess.Popen(
        [sys.executable, "-c", SWEEP],
        stdout=subprocess.PIPE,
        pass_fds=[end],
        start_new_session=True,
    ) as sweep:
        os.close(end)
        try:
            assert sweep.wait(timeout=30) == 0
            assert select.select([living], [], [], 10)[0] == [living]
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(sweep.pid, signal.SIGKILL)
            os.close(living)
