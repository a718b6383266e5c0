"""Ties Hydra's multirun to the tracking server.

In: Hydra's announcement of a sweep, in the process that was started. Out: one run for the sweep
before its first trial, closed and reported at the end of the command, under every sweeper and
launcher of Hydra.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, read_write

from susystream.sweeping.chosen import GRID
from susystream.sweeping.known import Ended, Known, jobs_of, told
from susystream.sweeping.space import check_trials, swept

_JOBLIB = "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"
_IN_PLACE = {  # ours; files of their own in conf/ would be more choices, or Hydra's schemas
    GRID: "hydra_plugins.susystream_grid.grid.GridSweeper",
    _JOBLIB: "hydra_plugins.susystream_launcher.launcher.PatientLauncher",
}

_commands: list[ExitStack] = []


class SweepCallback(Callback):
    """Opens the run of a sweep before its first trial (`hydra.callbacks` in conf/hydra)."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Checks what can be checked, and opens what the trials lie under."""
        try:
            _open(config)
        except Exception as error:
            raise Ended(error) from error


@contextmanager
def sweeps_reported() -> Iterator[None]:
    """A sweep that a command in this block starts is reported and closed at the block's end."""
    with ExitStack() as stack:
        _commands.append(stack)
        try:
            yield
        except Ended as ended:
            raise ended.error from None
        finally:
            _commands.pop()


@contextmanager
def _nothing_as_typed(folder: Path) -> Iterator[None]:
    """Hydra writes `multirun.yaml`, with the overrides as typed, secrets too: into nothing.

    What ran is in `config.yaml` beside each result.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "multirun.yaml"
    path.unlink(missing_ok=True)
    path.symlink_to(os.devnull)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _take_ours(*chosen: DictConfig) -> None:
    """In place of Hydra's sweeper and launcher."""
    for one in chosen:
        with read_write(one):
            one._target_ = _IN_PLACE.get(one._target_, one._target_)


def _rest(hydra: DictConfig) -> dict[str, str]:
    """A search goes on until as many trials as it is to have are finished or pruned."""
    wanted = hydra.sweeper.get("trials")
    return {"rest": f"it goes on to {wanted} that finish or are pruned"} if wanted else {}


def _open(config: DictConfig) -> None:
    from susystream.stages.sweep import open_sweep
    from susystream.variant import variant_of

    trials = check_trials(config)
    _take_ours(config.hydra.sweeper, config.hydra.launcher)
    names, stack = swept(config.hydra), _commands[-1]
    stack.enter_context(_nothing_as_typed(Path(config.hydra.sweep.dir)))
    shown = [f"{name}={value}" for name, value in names.items()]
    output = Path(config.hydra.sweep.dir)
    variant = variant_of(config, config.hydra, sweep=True)
    sweep = stack.enter_context(
        open_sweep(trials, output=output, swept=shown, variant=variant, **_rest(config.hydra))
    )
    jobs = jobs_of(config.hydra)
    known = Known(sweep.run_id, sweep.identity, tuple(names), jobs, exact=sweep.exact)
    stack.enter_context(told(known))
