"""Workers that end while they start are told of in one line, however large their plans are."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from susystream.data.enlarge import write_csv
from susystream.model.plan import Dense
from susystream.model.scorer_plan import OpenVinoPlan
from susystream.physics.toy import toy_events

STARTS = """
import pickle, sys
from pathlib import Path
from susystream.evaluate.windows import count_windows
from susystream.evaluate.workers import Workers
{at_the_top}
if __name__ == '__main__':
    plans, paths = pickle.loads(Path(sys.argv[1]).read_bytes())
    print('starts', flush=True)
    count_windows(Workers(plans, None, 2).scored(paths), models=plans)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of events."""
    events = toy_events(start=0, stop=500, seed=3)
    write_csv([events], tmp_path / "a.csv", progress=lambda rows: None)
    return tmp_path / "a.csv"


@contextmanager
def starting(folder: Path, path: Path, at_the_top: str) -> Iterator[subprocess.Popen[str]]:
    """A script whose plans are more than a pipe takes; it is ended at the latest with the test."""
    layers = (Dense(np.ones((18, 4096), np.float32), np.ones(4096, np.float32)),)
    shipped = pickle.dumps(({"a": OpenVinoPlan(layers, tuple(range(18)))}, (path,)))
    assert len(shipped) > 1 << 17
    (folder / "plans").write_bytes(shipped)
    (folder / "run.py").write_text(STARTS.format(at_the_top=at_the_top))
    with subprocess.Popen(
        [sys.executable, str(folder / "run.py"), str(folder / "plans")],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as parent:
        try:
            yield parent
        finally:
            parent.kill()  # else leaving waits for one that hangs


def workers_of(pid: int) -> list[psutil.Process]:
    found = psutil.Process(pid).children()
    return [one for one in found if "spawn_main" in " ".join(one.cmdline())]


def test_workers_that_are_killed_while_they_start_are_noticed(path: Path, tmp_path: Path) -> None:
    halted = "if __name__ != '__main__':\n    import time\n    time.sleep(60)"  # it has not begun
    with starting(tmp_path, path, halted) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "starts\n"
        ends = time.monotonic() + 30
        while not (found := workers_of(parent.pid)):
            assert time.monotonic() < ends
            time.sleep(0.01)
        for one in found:
            one.kill()
        _, said = parent.communicate(timeout=60)
    last = said.splitlines()[-1]
    assert "received the end of one (killed, often for lack of memory); lower evaluate" in last
    assert list(tmp_path.glob("susystream-*")) == []


def test_workers_that_end_by_themselves_are_not_said_to_be_killed(
    path: Path, tmp_path: Path
) -> None:
    fails = "if __name__ != '__main__':\n    raise ValueError('mine')"
    with starting(tmp_path, path, fails) as parent:
        _, said = parent.communicate(timeout=60)
    assert "ValueError: mine" in said
    last = said.splitlines()[-1]
    assert "received the end of one by itself, with status 1; see what it printed" in last
