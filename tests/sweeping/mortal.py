"""Trials whose process is killed or asked to end: Hydra calls this where a trial begins.

And stand-ins for whole trials, which a launcher calls.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from susystream.stages.outcome import Outcome, State
from susystream.sweeping.known import known_sweep

AT_ONCE, AFTER = 2001, 2002  # rows of such a trial: killed once where it begins, or at its end
# as soon as it has opened a run, long before its events are there: asked to end once, or killed
# each time
ASKED, ALWAYS = 600_001, 600_002
ASKED_ONCE, ASKED_TWICE, KILLED = 1, 2, 3  # seeds of what stands in for a trial


class Mortal(Callback):
    """Kills the process of some trials, as the system does that has no memory left."""

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        rows = config.data.rows
        first = _is_first(Path(config.home, f"began-{rows}"))
        if rows == AT_ONCE and first:
            _kill()
        if rows == ALWAYS:  # which ends all processes: the other is to be asked before
            _wait_for(_asked(config).exists)
        if rows == ALWAYS or (rows == ASKED and first):
            threading.Thread(target=_end_when_it_runs, args=(config,), daemon=True).start()

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        if config.data.rows == AFTER:
            _kill()


def fails_and_is_killed(_: DictConfig) -> None:
    """A trial that tells of its failure on disk only."""
    _outcome("failed", error="no room").write(_folder())
    _kill()


def ends_with_its_process(config: DictConfig) -> float:
    """A trial that finishes when its process is left alone; by its seed."""
    _outcome("interrupted").begin(_folder())
    first = _is_first(_folder() / "began")
    if config.seed == KILLED and first:
        _kill()
    try:
        if config.seed == ASKED_TWICE or (config.seed == ASKED_ONCE and first):
            os.kill(os.getpid(), signal.SIGTERM)
    except SystemExit:
        _outcome("interrupted", error="ended by SIGTERM").write(_folder())
        raise
    _outcome("finished").write(_folder())
    return float(config.seed)


def _folder() -> Path:
    return Path(HydraConfig.get().runtime.output_dir)


def _outcome(state: State, **facts: Any) -> Outcome:
    return Outcome(known_sweep().run_id, HydraConfig.get().job.num, {}, state, 1.0, **facts)


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _is_first(marker: Path) -> bool:
    """Whether no such trial began before."""
    marker.parent.mkdir(parents=True, exist_ok=True)
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _end_when_it_runs(config: DictConfig) -> None:
    before = _runs(config)
    _wait_for(lambda: _runs(config) > before)
    if config.data.rows == ALWAYS:
        _kill()
    _asked(config).touch()
    os.kill(os.getpid(), signal.SIGTERM)


def _asked(config: DictConfig) -> Path:
    return Path(config.home, "asked")


def _wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 100
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def _runs(config: DictConfig) -> int:
    """How many this trial has opened; asks the file."""
    path, number = config.tracking.uri.removeprefix("sqlite:///"), str(config.hydra.job.num)
    with closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True)) as database:
        query = "select count(*) from tags where key = 'trial' and value = ?"
        return int(database.execute(query, (number,)).fetchone()[0])
