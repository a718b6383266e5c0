"""Names that came to something else when the same sweep was given before.

In: a sweep's settings, and what names in them come to now. Out: one line where trials finished on
other data, so that nobody wonders why they are run again.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from susystream.as_overrides import set_by
from susystream.settings import Settings
from susystream.stages.context import StageContext
from susystream.stages.exact_names import named
from susystream.stages.identity import config_hash
from susystream.stages.resuming import is_resumed
from susystream.tracking.label import AS_TYPED


def as_typed(settings: Settings) -> dict[str, str]:
    """By what a sweep finds those of the same command, whatever its names came to."""
    identity = config_hash(settings)
    return {AS_TYPED: identity} if identity else {}


def moved_names(context: StageContext, run_id: str, exact: Mapping[str, str]) -> str | None:
    """What to tell of the newest sweep of the same command, if its trials are of other data.

    Args:
        context: With the settings all trials share.
        run_id: Of the sweep that begins.
        exact: What names come to now.
    """
    typed = as_typed(context.settings).get(AS_TYPED)
    if not (exact and typed and is_resumed(context.settings)):
        return None
    former = context.tracker.former.sweep(typed, before=run_id)
    known = {name: former.id_of(name) for name in exact} if former else {}
    then = {name: one for name, one in known.items() if one and one != exact[name]}
    if former is None or not then:
        return None
    trials = "1 trial" if former.finished == 1 else f"{former.finished:,} trials"
    now = ", ".join(f"{name.partition(':')[2]} is now {exact[name]}" for name in then)
    keeps = shlex.join(_overrides(context.settings, then, exact))
    text = f"{trials} finished before on {', '.join(then.values())}; {now}"
    return f"{text}: {keeps} keeps to it" if keeps else text


def _overrides(settings: Settings, then: Mapping[str, str], exact: Mapping[str, str]) -> list[str]:
    """What to type for what the names came to then, behind what was typed."""
    known, now = {**exact, **then}, named(settings, exact)
    moved = {keys: one for keys, one in named(settings, known).items() if one != now[keys]}
    return [set_by(keys, one).lstrip("+") for keys, one in moved.items()]
