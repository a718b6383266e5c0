"""Trials whose process is killed: Hydra calls it where a trial begins."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

ONCE, ALWAYS = 2001, 2002  # rows of such a trial


class Mortal(Callback):
    """Kills the process of some trials, as the system does that has no memory left."""

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        marker = Path(config.home, "killed")
        if config.data.rows == ONCE and not marker.exists():
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if config.data.rows == ALWAYS:
            os.kill(os.getpid(), signal.SIGKILL)
