"""One trial of a sweep.

In: settings, and the sweep it belongs to. Out: an outcome, beside the trial's result.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from susystream.errors import SettingsError, TrackingError, TrialPruned, line_of
from susystream.interruption import told
from susystream.settings import Settings
from susystream.stages.console import Console
from susystream.stages.context import StageContext, open_context
from susystream.stages.exact_names import exact_settings, with_names
from susystream.stages.extras import check_extras
from susystream.stages.finished_before import finished_before
from susystream.stages.identity import command_tags, variant_tags
from susystream.stages.objective import Objective, missing_figure, objective_of
from susystream.stages.outcome import Outcome, State
from susystream.stages.pruning import Study, pruning
from susystream.stages.reused import reused
from susystream.stages.run import run_in
from susystream.stages.tracked import tracked
from susystream.tracking.label import CONFIG_HASH, SEARCH, TRIAL, Label

_LONGEST_NAME = 100
_LONGEST_NUMBER = 8
_FRACTION = re.compile(r"[+-]?(?=[\d.]*[.eE])(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Trial:
    """One point of a sweep.

    Attributes:
        number: From 0, as its folder is named.
        parameters: What sets it apart from the others, by the settings' names; without secrets.
        parent_run_id: The sweep's run.
        parallel: Whether others run at the same time.
        study: The search that asked for it and may prune it.
    """

    number: int
    parameters: Mapping[str, str]
    parent_run_id: str
    parallel: bool = False
    study: Study | None = None

    @property
    def name(self) -> str:
        """For a person."""
        told = told_briefly(self.parameters)
        text = f"trial {self.number}" + (f": {told}" if told else "")
        return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"

    def outcome(self, state: State, seconds: float, **facts: Any) -> Outcome:
        """What became of it; `facts`: other attributes of an outcome."""
        return Outcome(self.parent_run_id, self.number, self.parameters, state, seconds, **facts)


def told_briefly(parameters: Mapping[str, str]) -> str:
    """Without the groups' names and with few digits; each by its whole name where two are alike.

    Example:
        >>> told_briefly({"seed": "2", "train.learning_rate": "0.00031489116"})
        'seed=2 learning_rate=0.0003149'
    """
    last = [name.rpartition(".")[2] for name in parameters]
    short = last if len(set(last)) == len(last) else list(parameters)
    return " ".join(
        f"{name}={few_digits(value)}"
        for name, value in zip(short, parameters.values(), strict=True)
    )


def few_digits(value: str) -> str:
    """A fraction with at most four digits that matter; a whole number and any other text whole.

    So is what no float holds.

    Example:
        >>> few_digits("0.00031489116"), few_digits("2026112601"), few_digits("2026_11.26")
        ('0.0003149', '2026112601', '2026_11.26')
        >>> few_digits(".e1234567"), few_digits("1e99999999")
        ('.e1234567', '1e99999999')
    """
    if len(value) <= _LONGEST_NUMBER or not _FRACTION.fullmatch(value):
        return value
    number = float(value)
    return f"{number:.4g}" if number and math.isfinite(number) else value


def run_trial(
    settings: Settings,
    *,
    output: Path,
    trial: Trial,
    differs: Mapping[str, Any] | None = None,
    variant: Mapping[str, Any] | None = None,
    exact: Mapping[str, str] | None = None,
) -> Outcome:
    """Runs the stage, or takes a run that finished with this configuration before.

    It has a run in its sweep whatever becomes of it, unless the tracking server is away.

    Args:
        settings: Checked.
        output: The folder for this trial's files.
        trial: Which it is.
        differs: As for `run_stage`.
        variant: The same.
        exact: What names in the settings came to when the sweep began.

    Raises:
        SusystreamError: What the stage raised, after the outcome was written.
    """
    started = time.monotonic()
    console = Console(prefix=f"[{trial.number}] " if trial.parallel else "")
    console.heading(trial.name)

    def outcome(state: State, **facts: Any) -> Outcome:
        seconds = time.monotonic() - started
        found = trial.outcome(state, seconds, **facts)
        found.write(output)
        return found

    run_id, facts = None, dict[str, Any]()
    trial.outcome("interrupted", 0.0).begin(output)
    try:
        with open_context(settings, output=output, console=console, differs=differs) as context:
            context.label = _label(trial, everywhere=variant_tags(variant))
            try:
                facts = _run(context, trial, objective_of(settings), exact or {})
            except Exception as error:
                _record(context, error)
                raise
            finally:
                run_id = context.tracker.run_id
    except TrialPruned as pruned:
        console.say(f"  {pruned}")
        return outcome("pruned", objective=pruned.value, run_id=run_id, error=str(pruned))
    except Exception as error:
        if not (facts and isinstance(error, TrackingError)):
            outcome("failed", run_id=run_id, error=line_of(error))
            raise
        console.say(f"  {error}")  # all is computed, and kept for the tracking server
        facts["error"] = line_of(error)
    except BaseException as error:
        outcome("interrupted", run_id=run_id, error=told(error))
        raise
    return outcome(**{"run_id": run_id, **facts})


def _label(
    trial: Trial, tags: Mapping[str, str] | None = None, *, everywhere: Mapping[str, str]
) -> Label:
    search = {SEARCH: trial.study.search} if trial.study else {}
    own = {TRIAL: str(trial.number), **(tags or {}), **search}
    return Label(trial.parent_run_id, trial.name, own, everywhere)


def _record(context: StageContext, error: Exception) -> None:
    """A run for a trial that failed before its stage opened one."""
    if isinstance(error, TrackingError) or context.tracker.run_id is not None:
        return
    with suppress(type(error), TrackingError), tracked(context, context.settings.stage.name):
        raise error


def _run(
    context: StageContext, trial: Trial, objective: Objective, exact: Mapping[str, str]
) -> dict[str, Any]:
    """The state and the facts of its outcome."""
    check_extras(context.settings)
    context.settings = with_names(context.settings, exact)
    context.settings = exact_settings(context)
    tags = command_tags(context.settings)
    context.label = _label(trial, tags, everywhere=context.label.everywhere)
    context.on_epoch = pruning(trial.study, trial.number, objective)
    identity = tags.get(CONFIG_HASH)
    known = identity and finished_before(context, identity, trial.parent_run_id, trial.study)
    facts = reused(context, known, objective) if known else None
    facts = facts or _computed(context, objective)
    if (value := facts["objective"]) is not None and facts["state"] != "pruned":
        figure = {f"trials/{objective.name}": value}
        context.tracker.add_metrics(trial.parent_run_id, figure, step=trial.number)
    return facts


def _computed(context: StageContext, objective: Objective) -> dict[str, Any]:
    result = run_in(context)
    value = objective.of(result.metrics)
    if value is None and objective.name is not None:
        raise SettingsError(missing_figure(objective.name, result.metrics))
    return {
        "state": "finished",
        "objective": value,
        "rows": result.rows,
        "model_ids": result.model_ids,
        "metrics": result.metrics,
    }
