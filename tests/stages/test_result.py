"""What a result says of its own process."""

from __future__ import annotations

import subprocess
import sys

import numpy as np


def test_the_peak_memory_is_not_that_of_the_process_that_started_this_one() -> None:
    """The system's count of a child begins with its parent's."""
    large = np.ones(300 << 17)  # 300 MiB
    code = "from susystream.stages.memory import peak_rss_bytes; print(peak_rss_bytes())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert large.nbytes == 300 << 20
    assert 1 << 20 < int(done.stdout) < 300 << 20
