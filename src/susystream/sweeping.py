"""Ties Hydra's multirun to the tracking server.

In: Hydra's announcement of a sweep, in the process that was started; Hydra's jobs, in this or in
other processes. Out: one run for the sweep, one below it for each trial, under every sweeper and
launcher of Hydra.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from susystream.disclosure import is_secret, public_text
from susystream.errors import SusystreamError, line_of
from susystream.processors import processors

# what the processes of a sweep know of it; inherited, whatever starts them
VARIABLE = "SUSYSTREAM_SWEEP"
_THREADS = "TF_NUM_INTRAOP_THREADS"
_commands: list[ExitStack] = []


class _Refused(BaseException):
    """Hydra turns every Exception of a callback into a warning and goes on; not this one."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class SweepCallback(Callback):
    """Opens the run of a sweep before its first trial (`hydra.callbacks` in conf/hydra)."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Checks what all trials share, and opens what they lie under."""
        try:
            _open(config)
        except Exception as error:
            raise _Refused(error) from error


@contextmanager
def sweeps_reported() -> Iterator[None]:
    """A sweep that a command in this block starts is reported and closed at the block's end."""
    with ExitStack() as stack:
        _commands.append(stack)
        try:
            yield
        except _Refused as refused:
            raise refused.error from None
        finally:
            _commands.pop()


def run_trial_of(config: DictConfig, hydra: Any) -> float | None:
    """What Hydra calls for each trial; a failure is an outcome like others unless asked.

    Args:
        config: Of the trial.
        hydra: Hydra's own part of it.

    Returns:
        What the trial is judged by; NaN of one that failed.
    """
    from susystream.composition import settings_of
    from susystream.stages.trial import Outcome, run_trial

    # it holds the overrides as typed, secrets too; config.yaml beside each result is ours
    Path(hydra.sweep.dir, "multirun.yaml").unlink(missing_ok=True)
    trial, output = _trial(hydra), Path(hydra.runtime.output_dir)
    _end_by_sigterm()
    try:
        settings = settings_of(config)
    except SusystreamError as error:
        Outcome(trial.number, trial.parameters, "failed", 0.0, error=line_of(error)).write(output)
        return _failed(trial.number, error, stop=bool(config.sweep.stop_on_failure))
    try:
        return run_trial(settings, output=output, trial=trial).objective
    except Exception as error:
        return _failed(trial.number, error, stop=settings.sweep.stop_on_failure)


def _open(config: DictConfig) -> None:
    from susystream.composition import settings_of
    from susystream.stages.sweep import open_sweep

    keys = [str(key) for key in config if key != "hydra"]
    settings = settings_of(OmegaConf.masked_copy(config, keys))
    swept = _swept(config.hydra)
    output = Path(config.hydra.sweep.dir)
    shown = [f"{name}={value}" for name, value in swept.items()]
    sweep = _commands[-1].enter_context(open_sweep(settings, output=output, swept=shown))
    jobs = _jobs(config.hydra)
    known = {"run_id": sweep.run_id, "swept": list(swept), "parallel": jobs > 1}
    os.environ[VARIABLE] = json.dumps(known)
    _commands[-1].callback(os.environ.pop, VARIABLE, None)
    if jobs > 1:  # each as many threads as processors would make all of them slower
        os.environ.setdefault(_THREADS, str(max(1, processors() // jobs)))


def _swept(hydra: DictConfig) -> dict[str, str]:
    """What differs between the trials, as typed, from the command line and the sweeper."""
    typed = OverridesParser.create().parse_overrides(list(hydra.overrides.task))
    found = OmegaConf.to_container(hydra.sweeper, resolve=True)
    params = (found.get("params") or {}) if isinstance(found, dict) else {}
    swept = {str(name): str(value) for name, value in params.items()}
    swept |= {
        one.get_key_element(): one.input_line.partition("=")[2]
        for one in typed
        if one.is_sweep_override() and one.input_line
    }
    return {name: _public(name, value) for name, value in swept.items()}


def _jobs(hydra: DictConfig) -> int:
    """How many trials run at once."""
    wanted = int(hydra.launcher.get("n_jobs", 1) or 1)
    return wanted if wanted > 0 else max(1, processors() + 1 + wanted)


def _trial(hydra: DictConfig) -> Any:
    from susystream.stages.pruning import Study
    from susystream.stages.trial import Trial

    known = json.loads(os.environ[VARIABLE])
    split = [str(one).lstrip("+~").partition("=") for one in hydra.overrides.task]
    typed = {name: _public(name, value) for name, _, value in split}
    study = known.get("study")
    return Trial(
        int(hydra.job.num),
        {name: typed[name] for name in known["swept"] if name in typed},
        known["run_id"],
        parallel=known["parallel"],
        study=Study(**study) if study else None,
    )


def _public(name: str, value: str) -> str:
    hidden = is_secret(name) or "security" in name.split(".")
    return "***" if hidden else public_text(value)


def _failed(number: int, error: Exception, *, stop: bool) -> float:
    if stop:
        raise error
    print(f"susystream: trial {number} failed: {line_of(error)}", file=sys.stderr)  # noqa: T201
    return math.nan


def _end_by_sigterm() -> None:
    """A process that a launcher started unwinds too, so that its run is marked."""
    if threading.current_thread() is threading.main_thread() and (
        signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    ):
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
