"""What joblib's processes leave when they end: trials that do nothing else, in true processes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import JobStatus
from hydra.types import HydraContext, RunMode
from sweeping.desk import SweepDesk
from sweeping.mortal import (
    ASKED_ONCE,
    ASKED_TWICE,
    KILLED,
    ends_with_its_process,
    fails_and_is_killed,
)

from hydra_plugins.susystream_launcher.launcher import PatientLauncher
from susystream.composition import config_folder
from susystream.sweeping.known import Ended, Known, told
from susystream.tracking.tracker import Tracker


@contextmanager
def launching(task: Any, *words: str, folder: Path, sweep: str = "r") -> Iterator[PatientLauncher]:
    """A launcher of two trials at once, which calls `task` for each."""
    given = [f"home={folder}/home", f"hydra.sweep.dir={folder}/out", "hydra/launcher=joblib"]
    with (
        told(Known(sweep, "i", ("seed",))),
        hydra.initialize_config_dir(str(config_folder()), version_base="1.3"),
    ):
        composed = GlobalHydra.instance().hydra
        assert composed is not None
        words = (*given, "hydra.launcher.n_jobs=2", *words)
        config = composed.compose_config("config", list(words), RunMode.MULTIRUN)
        context = HydraContext(composed.config_loader, Callbacks())
        launcher = PatientLauncher(n_jobs=2)
        launcher.setup(hydra_context=context, task_function=task, config=config)
        yield launcher


def test_whatever_began_in_lost_processes_runs_again_alone(
    desk: SweepDesk, capfd: pytest.CaptureFixture[str]
) -> None:
    """Two are asked to end before a third, which begins then, is killed."""
    seeds = (ASKED_ONCE, ASKED_TWICE, KILLED)
    tracker = Tracker(desk.uri, "susystream", system_metrics=False)
    with (
        tracker.run("sweep", name="s", params={}, tags={}) as sweep,
        launching(
            ends_with_its_process,
            f"tracking.uri={desk.uri}",
            folder=desk.folder,
            sweep=sweep.run_id,
        ) as launcher,
    ):
        found = launcher.launch([[f"seed={seed}"] for seed in seeds], 4)
    values = [one.return_value for one in found]
    assert (values[0], values[2]) == (ASKED_ONCE, KILLED)
    assert math.isnan(values[1])
    assert [one["state"] for one in desk.trials().values()] == ["finished", "failed", "finished"]
    err = capfd.readouterr().err
    first = next(line for line in err.splitlines() if "again, one at a time" in line)
    assert ", 6 run again" in first
    assert "trial 5 failed: the process of trial 5 was killed, and again when it ran alone" in err


@pytest.mark.parametrize("stops", [False, True])
def test_a_failure_whose_process_was_lost_ends_a_sweep_that_asks_for_it(
    stops: bool, tmp_path: Path
) -> None:
    with launching(
        fails_and_is_killed, f"sweep.stop_on_failure={stops}", folder=tmp_path
    ) as launcher:
        if stops:
            expected = r"received trial 3 that failed \(no room\).*not repeated"
            with pytest.raises(Ended, match=expected):
                launcher.launch([["seed=1"]], 3)
            return
        (found,) = launcher.launch([["seed=1"]], 3)
    assert (found.status, found.return_value) == (JobStatus.COMPLETED, None)
