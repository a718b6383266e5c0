"""Repeating a run: `susystream run --from-run ID [overrides]`.

In: what was typed. Out: the run told as Hydra overrides, those typed behind it; lines that say what
is repeated, and which code differs from the run's.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

import click

from susystream.as_overrides import pairs
from susystream.composition import tracking_of
from susystream.errors import SettingsError
from susystream.logged_run import overrides_of
from susystream.recipes import composed_values
from susystream.tracking.code import code_state, library_versions
from susystream.tracking.recorded_run import RecordedRun
from susystream.tracking.tracker import Tracker

FLAG = "--from-run"
_STEPS = ("prepare", "publish", "train", "evaluate")
_STAGES = ("pipeline", *_STEPS)


def is_asked(words: Sequence[str]) -> bool:
    """Whether a run is to be repeated."""
    return any(word.partition("=")[0] == FLAG for word in words)


def repeated(parameters: Sequence[str], typed: Sequence[str]) -> list[str]:
    """The overrides and flags that repeat a run, and what is said of it.

    Args:
        parameters: Overrides made of an entry point's parameters (MLproject). `mlflow run` gives
            them all, asked or not: one at its default says nothing, and neither does the recipe.
        typed: What a person typed, `--from-run` among it; it wins over the run.

    Raises:
        SettingsError: The run cannot be repeated so; the line says why.
        TrackingError: There is no such run, or it is none of ours.
    """
    wanted, rest = _taken([*_asked(parameters), *typed])
    given = pairs(rest)
    if "experiment" in given:
        raise SettingsError(
            f"expected no recipe beside {FLAG}, received experiment={given['experiment']}; a run "
            "is repeated as it was logged: type single settings"
        )
    run = _tracker(rest).recorded(wanted)
    words = overrides_of(run, stage=_stage(run, given.get("stage")), typed=rest)
    click.echo(f"repeats run {run.run_id}: {shlex.join(words)}", err=True)  # no word as typed
    if note := other_code(run.tags):
        click.echo(f"note: {note}", err=True)
    return [*words, f"repeats='{run.run_id}'", *rest]


def other_code(tags: Mapping[str, str]) -> str:
    """What of the code is another than it was in a run; empty if nothing, or nothing known."""
    told = [*_other_commit(tags), *_other_libraries(tags)]
    return f"{'; '.join(told)}: the result may differ" if told else ""


def _other_commit(tags: Mapping[str, str]) -> list[str]:
    commit, dirty = code_state()
    former, changed = tags.get("commit", "unknown"), tags.get("dirty") == "true"
    if former != commit or commit == "unknown":
        return [f"commit {former[:12]} there, {commit[:12]} here"]
    where = [place for place, is_so in (("there", changed), ("here", dirty)) if is_so]
    return (
        [f"files were changed since commit {commit[:12]}, {' and '.join(where)}"] if where else []
    )


def _other_libraries(tags: Mapping[str, str]) -> list[str]:
    former = pairs(tags.get("libraries", "").split())
    return [
        f"{name} {former[name]} there, {one} here"
        for name, one in library_versions().items()
        if former.get(name, one) != one
    ]


def _tracker(words: Sequence[str]) -> Tracker:
    """The tracking server of this command."""
    tracking = tracking_of(words)
    return Tracker(tracking.uri, tracking.experiment, timeout_seconds=tracking.timeout_seconds)


def _taken(words: Sequence[str]) -> tuple[str, list[str]]:
    """The run id behind the flag, and the other words."""
    ids: list[str] = []
    rest: list[str] = []
    left = iter(words)
    for word in left:
        name, sign, value = word.partition("=")
        if name == FLAG:
            found = value if sign else next(left, "")
            ids.append("" if "=" in found else found)  # an override is no id, and may be a secret
        else:
            rest.append(word)
    if len(ids) != 1 or not ids[0]:
        received = " ".join(ids) or "none"
        raise SettingsError(f"expected one run id behind {FLAG}, received {received}; give one")
    return ids[0], rest


def _asked(parameters: Sequence[str]) -> list[str]:
    """Of an entry point's parameters, those that a person changed."""
    given = pairs(parameters)
    given.pop("experiment", None)
    defaults = composed_values([], given)
    return [f"{name}={value}" for name, value in given.items() if value != defaults[name]]


def _below(run: RecordedRun) -> str:
    """How to repeat a trial of a sweep, and all of them if it is one over values."""
    best, swept = run.tags.get("best_run_id"), run.tags.get("sweep", "")
    if not best:
        return "a run below it"
    all_of_them = f", all of them with -m {swept} beside it" if swept and "(" not in swept else ""
    return f"its best trial (susystream run --from-run {best}{all_of_them}), another run below it"


def _stage(run: RecordedRun, typed: str | None) -> str:
    """The stage to run: the run's own, or a step of its chain."""
    own = run.tags.get("stage", "none")
    if own not in _STAGES:
        raise SettingsError(
            f"expected a run of {', '.join(_STAGES)}, received {run.run_id} of stage {own}; repeat "
            f"{_below(run)}, or another"
        )
    if typed not in (None, own) and not (own == "pipeline" and typed in _STEPS):
        raise SettingsError(
            f"expected stage={own}, which run {run.run_id} is of, received stage={typed}; leave "
            "the stage out, or name another run"
        )
    return typed or own
