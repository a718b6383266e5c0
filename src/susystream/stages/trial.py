"""One trial of a sweep.

In: settings, and the sweep it belongs to. Out: an outcome, in a file beside the trial's result, so
that whoever started the sweep reads what became of it, whichever process or machine ran it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from susystream.errors import NotFound, TrialPruned, line_of
from susystream.settings import Settings
from susystream.stages.console import Console
from susystream.stages.context import StageContext, open_context
from susystream.stages.identity import config_hash, recipe_tags, variant_tags
from susystream.stages.objective import Objective, objective_of
from susystream.stages.pruning import Study, pruning
from susystream.stages.run import run_in
from susystream.tracking.finished import FinishedRun
from susystream.tracking.label import CONFIG_HASH, PRUNED, TRIAL_STATE, Label

FILE = "trial.json"
State = Literal["finished", "reused", "pruned", "failed"]
_LONGEST_NAME = 100
_LONGEST_NUMBER = 8


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a trial.

    Attributes:
        number: Of the trial.
        parameters: Of the trial.
        state: `reused`: a run with the same configuration had finished before.
        seconds: Wall time.
        objective: What it is judged by; of a pruned one when it ended; none of a failed one.
        rows: Events it handled.
        run_id: Its run; none where it failed before one was opened.
        model_ids: Models it stored.
        metrics: All its figures.
        error: One line, of a failed or pruned one.
    """

    number: int
    parameters: Mapping[str, str]
    state: State
    seconds: float
    objective: float | None = None
    rows: int = 0
    run_id: str | None = None
    model_ids: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None

    def write(self, folder: Path) -> None:
        """Into `folder`, in one step."""
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"{FILE}.part"
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        draft.replace(folder / FILE)


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
    """A number with at most four digits that matter; any other text as it is."""
    try:
        return value if len(value) <= _LONGEST_NUMBER else f"{float(value):.4g}"
    except ValueError:
        return value


def outcomes(folder: Path) -> list[Outcome]:
    """Of all trials whose folders lie in `folder`, by number."""
    found = [
        Outcome(**json.loads(path.read_text(encoding="utf-8"))) for path in folder.glob(f"*/{FILE}")
    ]
    return sorted(found, key=lambda one: one.number)


def run_trial(
    settings: Settings,
    *,
    output: Path,
    trial: Trial,
    differs: Mapping[str, Any] | None = None,
    variant: Mapping[str, Any] | None = None,
) -> Outcome:
    """Runs the stage, or takes a run that finished with this configuration before.

    Args:
        settings: Checked.
        output: The folder for this trial's files.
        trial: Which it is.
        differs: As for `run_stage`.
        variant: The same.

    Raises:
        SusystreamError: What the stage raised, after the outcome was written.
    """
    started = time.monotonic()
    console = Console(prefix=f"[{trial.number}] " if trial.parallel else "")
    console.heading(trial.name)

    def outcome(state: State, **facts: Any) -> Outcome:
        seconds = time.monotonic() - started
        found = Outcome(trial.number, trial.parameters, state, seconds, **facts)
        found.write(output)
        return found

    run_id = None
    try:
        with open_context(settings, output=output, console=console, differs=differs) as context:
            context.label = Label(everywhere=variant_tags(variant))
            try:
                facts = _run(context, trial, objective_of(settings))
            finally:
                run_id = context.tracker.run_id
        return outcome(**{"run_id": run_id, **facts})
    except TrialPruned as pruned:
        console.say(f"  {pruned}")
        return outcome("pruned", objective=pruned.value, run_id=run_id, error=str(pruned))
    except Exception as error:
        outcome("failed", run_id=run_id, error=line_of(error))
        raise


def _run(context: StageContext, trial: Trial, objective: Objective) -> dict[str, Any]:
    """The state and the facts of its outcome."""
    identity = config_hash(context)
    tags = {"trial": str(trial.number)} | ({CONFIG_HASH: identity} if identity else {})
    tags |= recipe_tags(context.settings)
    context.label = Label(trial.parent_run_id, trial.name, tags, context.label.everywhere)
    context.on_epoch = pruning(trial.study, trial.number, objective)
    if identity and (known := _known(context, trial, identity)):
        return _reused(context, trial, known, objective)
    result = run_in(context)
    value = objective.of(result.metrics)
    if value is not None:
        figure = {f"trials/{objective.name}": value}
        context.tracker.add_metrics(trial.parent_run_id, figure, step=trial.number)
    return {
        "state": "finished",
        "objective": value,
        "rows": result.rows,
        "model_ids": result.model_ids,
        "metrics": result.metrics,
    }


def _known(context: StageContext, trial: Trial, identity: str) -> FinishedRun | None:
    """A finished run with this configuration whose model is still there."""
    if not context.settings.sweep.resume:
        return None
    found = context.tracker.finished_run(identity, beside=trial.parent_run_id)
    if found is None or (found.tags.get(TRIAL_STATE) == PRUNED and trial.study is None):
        return None
    for model_id in filter(None, found.tags.get("model_id", "").split(",")):
        try:
            context.store.load_model(model_id)
        except NotFound:
            context.note(f"run {found.run_id} is done again: its model {model_id} is gone")
            return None
    return found


def _reused(
    context: StageContext, trial: Trial, known: FinishedRun, objective: Objective
) -> dict[str, Any]:
    context.tracker.adopt(known, parent_run_id=trial.parent_run_id)
    pruned = known.tags.get(TRIAL_STATE) == PRUNED
    context.note(f"{'pruned' if pruned else 'finished'} before, by run {known.run_id}")
    return {
        "state": "pruned" if pruned else "reused",
        "objective": objective.of(known.metrics),
        "run_id": known.run_id,
        "model_ids": tuple(filter(None, known.tags.get("model_id", "").split(","))),
        "metrics": dict(known.metrics),
    }
