"""What a person sees at the end of a sweep.

In: the outcomes of its trials. Out: a table that a narrow terminal holds too, why some have no
result, the best one with the command that looks into its model.
"""

from __future__ import annotations

from collections.abc import Sequence

from susystream.settings import Settings
from susystream.stages.console import Console
from susystream.stages.note_parts import model_line
from susystream.stages.objective import Objective
from susystream.stages.outcome import Outcome
from susystream.stages.sweep_report import (
    MOST_ROWS,
    are_judged,
    best,
    columns,
    merged,
    parameters,
    ranked,
)
from susystream.stages.trial import few_digits

_RECEIVED = ", received"  # the middle of an error's line; its cure comes behind it


def show(
    console: Console, found: Sequence[Outcome], objective: Objective, *, settings: Settings
) -> None:
    """On the screen.

    Args:
        console: Where to.
        found: All trials.
        objective: By which one is the best.
        settings: Of the sweep.
    """
    _show_table(console, found, objective)
    reasons = {one.number: reason for one in found if (reason := _reason(one))}
    for whose, why in merged(reasons)[:MOST_ROWS]:
        console.say(f"{whose}: {why}")
    leader = best(found, objective)
    if leader is None:
        return
    told = " ".join(f"{name}={few_digits(value)}" for name, value in leader.parameters.items())
    console.say(f"best     trial {leader.number}: {told}")
    if leader.model_ids:
        console.say(model_line(settings, leader.model_ids[0]))


def _show_table(console: Console, found: Sequence[Outcome], objective: Objective) -> None:
    """Where there is no room, it is without seconds, and settings are broken, but no figure."""
    shown = ranked(found, objective)[:MOST_ROWS]
    names, rows = columns(found, shown, objective)
    heads = [name.rpartition(".")[2] for name in names]
    settings = range(1, 1 + len(parameters(found)))
    if not console.fits(heads, rows):
        heads, rows = heads[:-1], [row[:-1] for row in rows]
    if not console.fits(heads, rows):
        heads = [_broken(one) if at in settings else one for at, one in enumerate(heads)]
    title = "Trials, the best first" if are_judged(found) else "Trials"
    console.table(title, heads, rows, broken=settings)
    if len(found) > len(shown):
        console.say(f"and {len(found) - len(shown):,} more, see trials.csv in the run")


def _broken(name: str) -> str:
    """At its words."""
    return name.replace("_", "_\n")


def _reason(one: Outcome) -> str:
    """Why a trial has no result, without the cure; that it was pruned says its state."""
    if one.state == "pruned" or not one.error:
        return ""
    expected, mark, rest = one.error.partition(_RECEIVED)
    return expected + mark + rest.partition("; ")[0] if mark else expected.partition("; ")[0]
