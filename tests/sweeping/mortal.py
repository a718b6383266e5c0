"""Trials whose process is killed: Hydra calls it where a trial begins."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

ONCE, ALWAYS, AFTER, ASKED = 2001, 2002, 2003, 2004  # rows of such a trial


class Mortal(Callback):
    """Kills the process of some trials, as the system does that has no memory left."""

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        rows = config.data.rows
        if rows == ALWAYS or (rows == ONCE and _for_the_first_time(config)):
            os.kill(os.getpid(), signal.SIGKILL)
        if rows == ASKED and _for_the_first_time(config):
            threading.Thread(target=_ask_to_end, daemon=True).start()

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        if config.data.rows == AFTER:
            os.kill(os.getpid(), signal.SIGKILL)


def _for_the_first_time(config: DictConfig) -> bool:
    marker = Path(config.home, "killed")
    marker.parent.mkdir(parents=True, exist_ok=True)
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _ask_to_end() -> None:
    """As soon as the trial runs, which unwinds then."""
    while signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGTERM)
