"""A sweep: one run above the runs of its trials.

In: the settings all trials share. Out: an open sweep; at its end the best trial, a table and a
picture in its run, `result.json`, and an error if some trial failed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from susystream.errors import TrackingError, TrialsFailed, line_of
from susystream.interruption import told
from susystream.settings import Settings, public_config
from susystream.stages import sweep_report, sweep_screen
from susystream.stages.console import Console
from susystream.stages.context import StageContext, open_context
from susystream.stages.exact_names import names_of_trials, with_names
from susystream.stages.extras import check_extras_of_trials
from susystream.stages.identity import config_hash, recipe_tags, variant_tags
from susystream.stages.moved_names import as_typed, moved_names
from susystream.stages.naming import read_by
from susystream.stages.objective import objective_of
from susystream.stages.outcome import Outcome, outcomes
from susystream.stages.result import StageResult
from susystream.stages.resuming import is_resumed, once_more
from susystream.stages.run import short
from susystream.stages.shared import shared
from susystream.tracking.contact import check_early
from susystream.tracking.label import SWEEP
from susystream.tracking.tracker import TrackedRun

_NEEDS_BROKER = ("publish", "train", "score", "pipeline")
_LONGEST_NAME = 100
_MAY_BE_FORMER = ("reused", "pruned")  # a pruned one too may be a run of before


@dataclass(frozen=True, slots=True)
class Sweep:
    """An open sweep.

    Attributes:
        run_id: Its run, under which its trials lie.
        identity: Of what all trials share: the same, the same search.
        exact: What the names in its trials' settings, such as `dataset:latest`, came to when it
            began.
    """

    run_id: str
    identity: str
    exact: Mapping[str, str]


@contextmanager
def open_sweep(
    trials: Sequence[Settings],
    *,
    output: Path,
    swept: Sequence[str],
    variant: Mapping[str, Any] | None = None,
    rest: str = "only these are repeated",
) -> Iterator[Sweep]:
    """The sweep's run and the servers all trials use, until the block ends; then the report.

    Args:
        trials: The settings of its trials, as far as they are known before; the first one's are
            those of the sweep.
        output: The folder below which each trial has its own.
        swept: What differs between the trials, as typed; without secrets.
        variant: Settings that are not as in the recipe, swept or not.
        rest: What becomes of trials that failed when the command is given again.

    Raises:
        SettingsError: What to optimise is no figure of the stage.
        EvaluationError, ReaderUnsupported: All trials need what is not installed.
        NotFound: All trials name the same data set or model, which is not there.
        TrialsFailed: Some trial did not finish.
        TrackingError: The tracking address cannot be right; told before any server starts.
        StoreUnavailable: No store answers at its address; told before a broker starts.
    """
    settings = trials[0]
    check_extras_of_trials(trials)
    objective_of(settings)  # an unknown one is told before anything begins
    if uri := settings.tracking.uri:  # what is wrong is told before servers start
        check_early(uri, timeout_seconds=settings.tracking.timeout_seconds)
    config = shared([public_config(one) for one in trials])
    started = time.monotonic()
    with open_context(settings, output=output, console=Console()) as context:
        context.console.heading(_name(swept))
        _hold_servers(context, {one.stage.name for one in trials})
        exact = names_of_trials(context, trials)
        with context.tracker.run(
            "sweep",
            name=_name(swept),
            params=read_by(settings.stage.name, config),
            config=config,
            tags={
                **recipe_tags(settings),
                **variant_tags(variant),
                "sweep_of": settings.stage.name,
                SWEEP: " ".join(swept),
                **as_typed(settings),
            },
        ) as run:
            try:
                identity = config_hash(with_names(context.settings, exact)) or run.run_id
                run.log_params({"exact": exact}, known={})
                if hint := moved_names(context, run.run_id, exact):
                    context.note(hint)
                yield Sweep(run.run_id, identity, exact)
            except BaseException as ending:
                try:
                    _report(context, run, started, told(ending))
                except Exception as error:  # what ended the sweep is told, not this
                    context.note(line_of(error))
                _say_how_to_go_on(context, ending)
                raise
            _raise_failed(_report(context, run, started), once_more(settings, told=rest))


def _report(
    context: StageContext, run: TrackedRun, started: float, ended: str | None = None
) -> list[Outcome]:
    """Tells what became of the trials, also where the server is away; `ended`: what ended all."""
    answers = True
    try:  # whoever was ended with us could mark nothing
        context.tracker.end_abandoned(reasons={run.run_id: ended} if ended else {})
    except TrackingError as error:
        answers = False
        context.note(f"the sweep's pictures and table may have to wait: {error}")
    found = outcomes(context.output, parent_run_id=run.run_id, begun=True)
    found = _with_former_seconds(context, found, answers=answers)
    found = [_with_reason(one, ended) for one in found]
    _end(context, run, found, started)
    try:
        place = context.tracker.place_of(run.run_id)
        sweep_report.log(run, found, objective_of(context.settings), place=place)
    except TrackingError as error:
        context.note(str(error))
    return found


def _with_reason(one: Outcome, ended: str | None) -> Outcome:
    """A trial whose process could say nothing was ended by what ended the sweep."""
    lost = one.state == "interrupted" and one.error is None
    return replace(one, error=ended) if lost else one


def _with_former_seconds(
    context: StageContext, found: Sequence[Outcome], *, answers: bool
) -> list[Outcome]:
    """A trial that was not run again took as long as the run that stands for it, if that is known.

    What this command took for it is the time of a copy, and of waiting for the server.
    """
    known: Mapping[str, float] = {}
    ids = [one.run_id for one in found if one.run_id and one.state in _MAY_BE_FORMER]
    with suppress(TrackingError):
        known = context.tracker.former.seconds_of(ids) if answers else {}

    def seconds(one: Outcome) -> float:
        return known.get(one.run_id or "", math.nan if one.state == "reused" else one.seconds)

    return [replace(one, seconds=seconds(one)) for one in found]


def _name(swept: Sequence[str]) -> str:
    text = " ".join(["sweep", *swept])
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"


def _hold_servers(context: StageContext, stages: Set[str]) -> None:
    """Embedded servers stay up between trials."""
    if not stages.isdisjoint((*_NEEDS_BROKER, "evaluate")):
        _ = context.store  # first: before a broker starts, a wrong address is told
    if not stages.isdisjoint(_NEEDS_BROKER):
        _ = context.kafka


def _end(context: StageContext, run: TrackedRun, found: list[Outcome], started: float) -> None:
    """Result, table, and the error if there is one."""
    objective = objective_of(context.settings)
    best = sweep_report.best(found, objective)
    result = StageResult(
        "sweep",
        run.run_id,
        sum(one.rows for one in found),
        time.monotonic() - started,
        model_ids=tuple(model for one in found for model in one.model_ids),
        metrics=dict(best.metrics) if best else {},
        objective=best.objective if best else None,
        trials=tuple(sweep_report.plain(one) for one in found),
    )
    path = result.write(context.output)
    sweep_screen.show(context.console, found, objective, settings=context.settings)
    context.console.say(f"sweep    run {run.run_id} in experiment {run.experiment}")
    context.console.say(f"UI       {context.tracker.ui_hint(run.run_id)}")
    context.console.say(f"result   {short(path)}")


def _raise_failed(found: list[Outcome], cure: str) -> None:
    failed = [one for one in found if one.state == "failed"]
    if not failed:
        return
    all_of_them = "1 trial" if len(found) == 1 else f"{len(found)} trials"
    numbers = sweep_report.listed([one.number for one in failed])
    raise TrialsFailed(
        f"expected {all_of_them} to finish, received {len(failed)} that failed ({numbers}; the "
        f"lines below the table say why); {cure}"
    )


def _say_how_to_go_on(context: StageContext, ending: BaseException) -> None:
    """To a person who ended it."""
    if isinstance(ending, (KeyboardInterrupt, SystemExit)) and is_resumed(context.settings):
        context.console.say("ended    given again, the same command runs only the rest")
